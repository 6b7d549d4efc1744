//! The facts of a run that a verdict rests on.

use std::collections::BTreeSet;
use std::sync::Arc;

use gepa_archive::{CandidateIndex, ContentId};
use gepa_evaluation::{ExampleId, FailureKind, Outcome, Stage};

use serde::Serialize;

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

/// A set of examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparedSet {
    /// The examples that were held out.
    Validation,
    /// The examples on which the candidate was chosen; used if none were held out.
    Pareto,
}

/// A candidate's scores on a set, as they are compared.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CountedScores {
    /// In the order of the set; `None` where it was not run, or failed for a reason of the surroundings.
    pub scores: Vec<Option<f64>>,
    /// Examples on which it failed by its own doing.
    pub failures: usize,
    /// What each of them counts as.
    pub failure_score: f64,
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
        let seed = self.seed();
        let counted = seed.and_then(|seed| self.counted(ComparedSet::Pareto, seed));
        counted.map_or_else(Vec::new, |counted| counted.scores)
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

    /// A candidate's scores on a set as they are compared: a failure of its own doing counts as the lowest score,
    /// examples that a person excluded count as missing. `None` if it was not scored on the set.
    pub fn counted(&self, set: ComparedSet, row: &CandidateRow) -> Option<CountedScores> {
        let (examples, scores) = self.row_on(set, row)?;
        let failure_score = self.failure_score(set);
        let mut counted = CountedScores {
            scores: self.counting(examples, scores),
            failures: 0,
            failure_score,
        };
        for (example, score) in examples.iter().zip(&mut counted.scores) {
            let key = (row.candidate_id, example.clone());
            if score.is_none() && self.counts(example) && self.own_failures.contains(&key) {
                *score = Some(failure_score);
                counted.failures += 1;
            }
        }
        Some(counted)
    }

    fn row_on<'t>(
        &'t self,
        set: ComparedSet,
        row: &'t CandidateRow,
    ) -> Option<(&'t [ExampleId], &'t [Option<f64>])> {
        Some(match set {
            ComparedSet::Pareto => (&self.run.pareto, row.scores.as_ref()?),
            ComparedSet::Validation => (&self.run.validation, row.validation_scores.as_ref()?),
        })
    }

    /// What a failure counts as on a set: no score that seed or best candidate have there is lower.
    pub(super) fn failure_score(&self, set: ComparedSet) -> f64 {
        let of_scale = self.seed().and_then(|seed| seed.scores.as_ref());
        let compared: Vec<&CandidateRow> = match set {
            ComparedSet::Pareto => [self.seed(), self.best()].into_iter().flatten().collect(),
            ComparedSet::Validation => self.candidates.iter().collect(),
        };
        let rows = compared.iter().filter_map(|row| self.row_on(set, row));
        let seen = of_scale.into_iter().flatten();
        let seen = seen.chain(rows.flat_map(|(_, scores)| scores)).flatten();
        let (lowest, highest) = seen.fold((0.0_f64, 0.0_f64), |(lowest, highest), score| {
            (lowest.min(*score), highest.max(*score))
        });
        let scale = self.run.summary.scores.unwrap_or_default().scale();
        match scale.range {
            Some([declared, _]) => declared,
            None => scale.failure_score(lowest, highest),
        }
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

    /// The score that cannot be bettered; infinite where none is known.
    pub(super) fn perfect_score(&self) -> f64 {
        let configured = self.setting("search", "perfect_score");
        let declared = self.score_range().map(|(_, highest)| highest);
        configured.or(declared).unwrap_or_else(|| {
            // Scores above 1 show that the highest score is not known. Earlier versions took 1 all the same.
            let seen = self.run.summary.scores.and_then(|scores| scores.highest);
            if seen.is_some_and(|highest| highest > 1.0) {
                f64::INFINITY
            } else {
                1.0
            }
        })
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
