//! The facts of a run that a verdict rests on.

use std::collections::BTreeSet;
use std::sync::Arc;

use gepa_archive::{CandidateIndex, ContentId};
use gepa_evaluation::{ExampleId, FailureKind, Outcome, Stage};

use crate::event::{EventBody, Fact};
use crate::pages::{EventPages, RolloutPages};
use crate::record::{CandidateRow, ReflectionRow, RunRow, TrialRow};
use crate::store::{Store, StoreError};

/// Events that are looked at for feedback.
const LOOKED_AT: u64 = 5_000;
/// Imperfect examples after which feedback has been seen often enough.
const ENOUGH: u32 = 50;

/// The tables of a run that a verdict rests on.
#[derive(Clone, Debug)]
pub struct RunTables {
    /// The run.
    pub run: RunRow,
    /// All candidates, in the order proposed.
    pub candidates: Arc<Vec<CandidateRow>>,
    /// All trials.
    pub trials: Arc<Vec<TrialRow>>,
    /// All calls of the reflection model.
    pub reflections: Arc<Vec<ReflectionRow>>,
    /// What the evaluator said about examples that were not solved.
    pub feedback: FeedbackSeen,
    /// Examples on which a candidate failed by its own doing. They count as the lowest score.
    pub own_failures: BTreeSet<(ContentId, ExampleId)>,
}

/// What the evaluator said about the first examples that were not solved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedbackSeen {
    /// Such examples looked at.
    pub looked_at: u32,
    /// Of these, those with neither feedback nor a trace.
    pub silent: u32,
}

impl RunTables {
    /// The seed, once it was tried.
    pub fn seed(&self) -> Option<&CandidateRow> {
        self.candidates.first()
    }

    /// The best candidate.
    pub fn best(&self) -> Option<&CandidateRow> {
        self.member(self.run.summary.best?)
    }

    /// The seed's pareto scores in the order of the set. A failure of its own doing counts as the
    /// lowest score.
    pub fn seed_scores(&self) -> Vec<Option<f64>> {
        let Some((seed, scores)) = self
            .seed()
            .and_then(|row| Some((row, row.scores.as_ref()?)))
        else {
            return Vec::new();
        };
        let lowest = self.lowest(scores.iter().flatten().copied());
        let cells = self.run.pareto.iter().zip(scores);
        cells
            .map(|(example, score)| {
                let key = (seed.candidate_id, example.clone());
                score.or_else(|| self.own_failures.contains(&key).then_some(lowest))
            })
            .collect()
    }

    /// Whether an example counts: no person excluded it.
    pub fn counts(&self, example: &ExampleId) -> bool {
        !self.run.summary.excluded.contains(example)
    }

    /// A row of scores on these examples without those that count no longer.
    pub(super) fn counting(&self, examples: &[ExampleId], row: &[Option<f64>]) -> Vec<Option<f64>> {
        let cells = examples.iter().zip(row);
        let counted = cells.map(|(example, score)| score.filter(|_| self.counts(example)));
        counted.collect()
    }

    /// The lowest score there is: as declared, or else 0 or the lowest one seen.
    pub(super) fn lowest(&self, seen: impl Iterator<Item = f64>) -> f64 {
        let declared = self.score_range().map(|(lowest, _)| lowest);
        declared.unwrap_or_else(|| seen.fold(0.0, f64::min))
    }

    /// A member of the archive.
    pub fn member(&self, index: CandidateIndex) -> Option<&CandidateRow> {
        self.candidates.iter().find(|row| row.index == Some(index))
    }

    /// Whether this is the seed or has its texts.
    pub fn is_seed(&self, row: &CandidateRow) -> bool {
        self.seed()
            .is_some_and(|seed| seed.candidate_id == row.candidate_id)
    }

    /// A number of the run's configuration, by its keys.
    pub(super) fn setting(&self, section: &str, key: &str) -> Option<f64> {
        self.run.setting(section, key)?.as_f64()
    }

    /// The score that cannot be bettered.
    pub(super) fn perfect_score(&self) -> f64 {
        let declared = self.setting("search", "perfect_score");
        let highest = self.score_range().map_or(1.0, |(_, highest)| highest);
        declared.unwrap_or(highest)
    }

    /// The declared lowest and highest score.
    pub(super) fn score_range(&self) -> Option<(f64, f64)> {
        let scores = self.run.summary.scores.as_ref()?;
        scores.declared.map(|[lowest, highest]| (lowest, highest))
    }

    /// Examples of a minibatch.
    pub(super) fn minibatch_size(&self) -> u64 {
        let mut trials = self.trials.iter();
        let parent = trials.find(|trial| trial.stage == Stage::MinibatchParent);
        parent.map_or(0, |trial| trial.examples.len() as u64)
    }
}

/// Reads what a verdict needs. Of the journal only the first events are read, for the feedback.
pub async fn read_tables(store: &dyn Store, run: RunRow) -> Result<RunTables, StoreError> {
    let id = run.run_id.clone();
    let candidates = Arc::new(store.candidates(&id).await?);
    let trials = Arc::new(store.trials(&id).await?);
    let reflections = Arc::new(store.reflections(&id).await?);
    tables_of(store, run, candidates, trials, reflections).await
}

/// The same with rows that were read already.
///
/// # Errors
///
/// The store failed.
pub async fn tables_of(
    store: &dyn Store,
    run: RunRow,
    candidates: Arc<Vec<CandidateRow>>,
    trials: Arc<Vec<TrialRow>>,
    reflections: Arc<Vec<ReflectionRow>>,
) -> Result<RunTables, StoreError> {
    let mut tables = RunTables {
        run,
        candidates,
        trials,
        reflections,
        feedback: FeedbackSeen::default(),
        own_failures: BTreeSet::new(),
    };
    tables.feedback = feedback(store, &tables).await?;
    if has_gaps(&tables) {
        tables.own_failures = own_failures(store, &tables).await?;
    }
    Ok(tables)
}

async fn feedback(store: &dyn Store, tables: &RunTables) -> Result<FeedbackSeen, StoreError> {
    let perfect = tables.perfect_score();
    let mut seen = FeedbackSeen::default();
    let mut pages = EventPages::of(store, &tables.run.run_id);
    while pages.last().0 < LOOKED_AT && seen.looked_at < ENOUGH {
        let Some(page) = pages.next().await? else {
            break;
        };
        for event in &page {
            let EventBody::Fact(Fact::RolloutSettled(settled)) = &event.body else {
                continue;
            };
            let (Stage::MinibatchParent, Outcome::Scored(scored)) =
                (settled.stage, &*settled.outcome)
            else {
                continue;
            };
            if scored.score < perfect {
                let says = scored
                    .feedback
                    .as_ref()
                    .is_some_and(|one| !one.trim().is_empty());
                seen.looked_at += 1;
                seen.silent += u32::from(!says && scored.trace.is_none());
            }
        }
    }
    Ok(seen)
}

/// Whether the rows that are compared lack a score.
fn has_gaps(tables: &RunTables) -> bool {
    let compared = [tables.seed(), tables.best()];
    compared.into_iter().flatten().any(|row| {
        let rows = [&row.scores, &row.validation_scores];
        rows.into_iter().flatten().flatten().any(Option::is_none)
    })
}

async fn own_failures(
    store: &dyn Store,
    tables: &RunTables,
) -> Result<BTreeSet<(ContentId, ExampleId)>, StoreError> {
    let compared = [tables.seed(), tables.best()].map(|row| row.map(|row| row.candidate_id));
    let mut found = BTreeSet::new();
    let mut pages = RolloutPages::of(store, &tables.run.run_id);
    while let Some(page) = pages.next().await? {
        for row in page {
            let is_own = matches!(
                row.failure,
                Some(FailureKind::Permanent | FailureKind::Timeout | FailureKind::Refused)
            );
            if is_own && compared.contains(&Some(row.candidate_id)) {
                found.insert((row.candidate_id, row.example));
            }
        }
    }
    Ok(found)
}
