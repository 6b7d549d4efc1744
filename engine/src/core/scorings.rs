//! The outcomes that a run's final scorings bought. A run that goes on after its end has more than
//! one final scoring, and no outcome on a held-out example is bought twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gepa_archive::ContentId;
use gepa_evaluation::{ExampleId, Outcome};

use super::trial::Trial;

/// Outcomes on the validation set, and the number of trials in each iteration that bought them.
#[derive(Debug, Default)]
pub(crate) struct Scorings {
    outcomes: HashMap<ContentId, HashMap<ExampleId, Arc<Outcome>>>,
    trials: BTreeMap<u64, u32>,
    executed: u64,
}

impl Scorings {
    /// Stores what a trial bought. Call it once per trial. Failures that another attempt may cure
    /// are left out.
    pub(crate) fn remember(&mut self, trial: &Trial) {
        self.executed += trial.executed();
        let of_content = self
            .outcomes
            .entry(trial.candidate.content_id())
            .or_default();
        for (example, outcome) in trial.bought() {
            let is_settled = match &**outcome {
                Outcome::Scored(_) => true,
                Outcome::Failed(failure) => !failure.kind.is_retryable(),
            };
            if is_settled {
                of_content.insert(example.clone(), Arc::clone(outcome));
            }
        }
    }

    /// The known outcome of a candidate on a held-out example.
    pub(crate) fn known(&self, content: ContentId, example: &ExampleId) -> Option<Arc<Outcome>> {
        self.outcomes.get(&content)?.get(example).map(Arc::clone)
    }

    /// The number of examples on which a candidate's outcome is known.
    pub(crate) fn count(&self, content: ContentId) -> u64 {
        self.outcomes
            .get(&content)
            .map_or(0, |known| known.len() as u64)
    }

    /// The number of rollouts executed by the stored trials.
    pub(crate) fn executed(&self) -> u64 {
        self.executed
    }

    /// The number of trials in this iteration. Later trials have higher indexes.
    pub(crate) fn trials_in(&self, iteration: u64) -> u32 {
        self.trials.get(&iteration).copied().unwrap_or_default()
    }

    /// Records further trials in this iteration.
    pub(crate) fn add_trials(&mut self, iteration: u64, count: u32) {
        *self.trials.entry(iteration).or_default() += count;
    }
}
