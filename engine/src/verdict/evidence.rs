//! Which scores a verdict compares, and with which corrections.

use std::collections::BTreeSet;

use gepa_evaluation::{ExampleId, Stage};
use gepa_statistics::{Comparison, Corrected, Estimate, Sequential, TwoWay, corrected_mean, gap};
use serde::Serialize;

use super::tables::{ComparedSet, RunTables};
use crate::record::CandidateRow;

/// The confidence of a verdict's interval, and one minus the risk that a run in which nothing is
/// better ends with `better`, however often it is extended and scored again.
pub const CONFIDENCE: f64 = 0.95;

/// The comparison of a candidate with the seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Evidence {
    /// The set whose scores are compared.
    pub set: ComparedSet,
    /// What they show.
    pub comparison: Comparison,
    /// What the interval is corrected for.
    pub corrected_for: Selection,
    /// Failures of a candidate's own doing among the examples. They count as the lowest score.
    pub failures: usize,
}

/// What makes chance findings likelier than one comparison would have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Selection {
    /// Candidates among which this one was chosen on the same examples; 1 on held-out examples.
    pub candidates: usize,
    /// The number of times that the run was scored on the held-out examples. A run that is extended
    /// looks again.
    pub looks: usize,
}

/// Compares the run's best candidate with the seed. `None` if the seed is best, or if they have no
/// scores in common.
pub fn evidence(tables: &RunTables, confidence: f64) -> Option<Evidence> {
    let best = tables.best().filter(|best| !tables.is_seed(best))?;
    compare(tables, tables.seed()?, best, confidence)
}

/// Compares two candidates of the run on held-out examples, or on the pareto set if none were held
/// out.
///
/// Each further final scoring has half of the risk that the one before it had, so all of them
/// together have no more than `1 - confidence`. On the pareto set the risk is shared by all accepted
/// candidates.
pub fn compare(
    tables: &RunTables,
    before: &CandidateRow,
    after: &CandidateRow,
    confidence: f64,
) -> Option<Evidence> {
    let risk = 1.0 - confidence;
    let held_out = (&before.validation_scores, &after.validation_scores);
    if let (Some(left), Some(right)) = held_out {
        let looks = looks(tables).max(1);
        let risk = risk / 2.0_f64.powi((looks - 1).min(60) as i32);
        let pairs = Pairs::of(
            tables,
            ComparedSet::Validation,
            &tables.run.validation,
            (before, left),
            (after, right),
        );
        return Some(Evidence {
            set: ComparedSet::Validation,
            comparison: Comparison::of(&pairs.scores, 1.0 - risk)?,
            corrected_for: Selection {
                candidates: 1,
                looks,
            },
            failures: pairs.failures,
        });
    }
    let (left, right) = (before.scores.as_ref()?, after.scores.as_ref()?);
    let candidates = tables
        .candidates
        .iter()
        .filter(|row| row.index.is_some() && !tables.is_seed(row))
        .count()
        .max(1);
    let confidence = 1.0 - risk / candidates as f64;
    let pairs = Pairs::of(
        tables,
        ComparedSet::Pareto,
        &tables.run.pareto,
        (before, left),
        (after, right),
    );
    let mut comparison = Comparison::of(&pairs.scores, confidence)?;
    if pairs.scores.len() < tables.run.pareto.len()
        && let Some(width) = width(tables, &pairs.scores)
    {
        // The row ended where its scores said so, which an interval for a fixed number does not
        // allow for.
        let mut test = Sequential::new(width, confidence);
        pairs
            .scores
            .iter()
            .for_each(|(before, after)| test.add(after - before));
        comparison.difference = test.estimate()?;
    }
    Some(Evidence {
        set: ComparedSet::Pareto,
        comparison,
        corrected_for: Selection {
            candidates,
            looks: 1,
        },
        failures: pairs.failures,
    })
}

/// How often the best candidates were scored on the held-out examples.
fn looks(tables: &RunTables) -> usize {
    let scorings = tables
        .trials
        .iter()
        .filter(|trial| trial.stage == Stage::ValidationTopK);
    scorings
        .map(|trial| trial.key.iteration)
        .collect::<BTreeSet<_>>()
        .len()
}

/// Scores of two candidates on the same examples.
pub(super) struct Pairs {
    pub(super) scores: Vec<(f64, f64)>,
    failures: usize,
}

impl Pairs {
    /// The scores on some of the examples, held out or not.
    pub(super) fn within(
        tables: &RunTables,
        (before, after): (&CandidateRow, &CandidateRow),
        wanted: &[ExampleId],
    ) -> Self {
        let only = |row: &Option<Vec<Option<f64>>>, examples: &[ExampleId]| {
            let row = row.as_deref().unwrap_or_default();
            let cells = examples.iter().zip(row);
            let cells = cells.filter(|(example, _)| wanted.contains(example));
            cells.map(|(_, score)| *score).collect::<Vec<_>>()
        };
        let mut all = Self {
            scores: Vec::new(),
            failures: 0,
        };
        let sets = [
            (
                ComparedSet::Validation,
                &tables.run.validation,
                &before.validation_scores,
                &after.validation_scores,
            ),
            (
                ComparedSet::Pareto,
                &tables.run.pareto,
                &before.scores,
                &after.scores,
            ),
        ];
        for (set, examples, left, right) in sets {
            let (left, right) = (only(left, examples), only(right, examples));
            let listed: Vec<ExampleId> = examples
                .iter()
                .filter(|example| wanted.contains(example))
                .cloned()
                .collect();
            let some = Self::of(tables, set, &listed, (before, &left), (after, &right));
            if !some.scores.is_empty() && all.scores.is_empty() {
                all = some;
            }
        }
        all
    }

    fn of(
        tables: &RunTables,
        set: ComparedSet,
        examples: &[ExampleId],
        (before, left): (&CandidateRow, &[Option<f64>]),
        (after, right): (&CandidateRow, &[Option<f64>]),
    ) -> Self {
        let mut pairs = Self {
            scores: Vec::new(),
            failures: 0,
        };
        let cells = examples.iter().zip(left).zip(right);
        for ((example, left), right) in cells.filter(|((one, _), _)| tables.counts(one)) {
            let score = |row, score| counted(tables, set, row, example, score);
            let ((left, one), (right, two)) = (score(before, *left), score(after, *right));
            if let (Some(left), Some(right)) = (left, right) {
                pairs.scores.push((left, right));
                pairs.failures += usize::from(one || two);
            }
        }
        pairs
    }
}

/// The scores of two candidates on one example, held out or not. Either is `None` if the candidate
/// was not run on it, or failed for a reason that is not its own; both are if the example does not
/// count.
pub(super) fn scores_on(
    tables: &RunTables,
    (before, after): (&CandidateRow, &CandidateRow),
    example: &ExampleId,
) -> (Option<f64>, Option<f64>) {
    if !tables.counts(example) {
        return (None, None);
    }
    let run = &tables.run;
    let (set, examples) = if run.validation.contains(example) {
        (ComparedSet::Validation, &run.validation)
    } else {
        (ComparedSet::Pareto, &run.pareto)
    };
    let at = examples.iter().position(|one| one == example);
    let score = |row: &CandidateRow| {
        let scores = match set {
            ComparedSet::Validation => &row.validation_scores,
            ComparedSet::Pareto => &row.scores,
        };
        let known = scores
            .as_deref()
            .zip(at)
            .and_then(|(scores, at)| *scores.get(at)?);
        counted(tables, set, row, example, known).0
    };
    (score(before), score(after))
}

/// The score that counts for a candidate on an example, and whether it is that of a failure of the
/// candidate's own doing.
fn counted(
    tables: &RunTables,
    set: ComparedSet,
    row: &CandidateRow,
    example: &ExampleId,
    score: Option<f64>,
) -> (Option<f64>, bool) {
    let failures = &tables.own_failures;
    let failed = score.is_none() && failures.contains(&(row.candidate_id, example.clone()));
    (
        score.or_else(|| failed.then(|| tables.failure_score(set))),
        failed,
    )
}

/// The width of the range of scores, if it is known or if all scores lie within 0 and 1.
fn width(tables: &RunTables, pairs: &[(f64, f64)]) -> Option<f64> {
    if let Some((lowest, highest)) = tables.score_range() {
        return Some(highest - lowest);
    }
    pairs
        .iter()
        .flat_map(|(before, after)| [before, after])
        .all(|score| (0.0..=1.0).contains(score))
        .then_some(1.0)
}

/// How much the accepted candidates differ on the pareto set.
pub(super) fn spread(tables: &RunTables) -> Option<TwoWay> {
    let rows: Vec<Vec<Option<f64>>> = accepted(tables)
        .map(|(_, scores)| tables.counting(&tables.run.pareto, scores))
        .collect();
    let rows: Vec<&[Option<f64>]> = rows.iter().map(Vec::as_slice).collect();
    TwoWay::of(&rows)
}

/// What to expect of the best candidate on the pareto set.
pub(super) fn pareto_score(tables: &RunTables, spread: Option<&TwoWay>) -> Option<Corrected> {
    let best = tables.best()?.index;
    let at = accepted(tables).position(|(row, _)| row.index == best)?;
    corrected_mean(spread?, at)
}

/// The best candidate's mean on the pareto set minus its mean on held-out examples.
pub(super) fn generalisation_gap(tables: &RunTables) -> Option<Estimate> {
    let best = tables.best()?;
    let known = |row: &[Option<f64>]| row.iter().flatten().copied().collect::<Vec<_>>();
    let counting = |examples, row| known(&tables.counting(examples, row));
    let held_out = counting(&tables.run.validation, best.validation_scores.as_deref()?);
    let pareto = counting(&tables.run.pareto, best.scores.as_deref()?);
    gap(&held_out, &pareto, CONFIDENCE)
}

fn accepted(tables: &RunTables) -> impl Iterator<Item = (&CandidateRow, &[Option<f64>])> {
    tables.candidates.iter().filter_map(|row| {
        row.index?;
        Some((row, row.scores.as_deref()?))
    })
}
