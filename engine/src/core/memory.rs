//! Outcomes that need not be bought again, as far as decided on.

use std::collections::HashMap;
use std::sync::Arc;

use gepa_archive::ContentId;
use gepa_evaluation::{ExampleId, Outcome, Stage};

use super::trial::Trial;
use crate::config::Duplicates;

type Outcomes = HashMap<(ContentId, ExampleId), Arc<Outcome>>;

/// Scored outcomes by content and example. Holds only what can be asked for again: where duplicates
/// are skipped no candidate reaches the pareto set twice, so nothing is kept of rejected children
/// and nothing of the pareto set.
#[derive(Debug)]
pub(crate) struct Memory {
    reuse: bool,
    duplicates: Duplicates,
    /// From minibatches, so with everything a reflection needs.
    minibatch: Outcomes,
    /// From merge gates and the pareto set; only where duplicates are kept.
    pareto: Outcomes,
}

impl Memory {
    pub(crate) fn new(reuse: bool, duplicates: Duplicates) -> Self {
        Self {
            reuse,
            duplicates,
            minibatch: Outcomes::new(),
            pareto: Outcomes::new(),
        }
    }

    /// Takes in what a trial bought. What the seed scored on the pareto set is never asked for: the
    /// reference implementation does not cache it either, and it would change the order of sums.
    pub(crate) fn remember(&mut self, trial: &Trial) {
        let keeps_all = self.duplicates == Duplicates::Keep;
        let outcomes = match trial.stage {
            Stage::MinibatchParent | Stage::MinibatchChild => &mut self.minibatch,
            Stage::MergeGate | Stage::Pareto if keeps_all => &mut self.pareto,
            _ => return,
        };
        if !self.reuse {
            return;
        }
        let content = trial.candidate.content_id();
        for (example, outcome) in trial.bought() {
            if outcome.scored().is_some() {
                outcomes.insert((content, example.clone()), Arc::clone(outcome));
            }
        }
    }

    /// Takes in what a child bought that may not get into the archive.
    pub(crate) fn remember_undecided(&mut self, trial: &Trial) {
        if self.duplicates == Duplicates::Keep {
            self.remember(trial);
        }
    }

    /// A parent's outcome on a training example, with its traces.
    pub(crate) fn of_parent(
        &self,
        content: ContentId,
        example: &ExampleId,
    ) -> Option<Arc<Outcome>> {
        if !self.reuse {
            return None;
        }
        self.minibatch.get(&(content, example.clone())).cloned()
    }

    /// A candidate's outcome on a pareto example; `gate` is the trial of its own gate.
    pub(crate) fn of_child(
        &self,
        content: ContentId,
        example: &ExampleId,
        gate: Option<&Trial>,
    ) -> Option<Arc<Outcome>> {
        if !self.reuse {
            return None;
        }
        let just_bought = gate.and_then(|trial| {
            let mut bought = trial.bought();
            bought
                .find(|(known, outcome)| *known == example && outcome.scored().is_some())
                .map(|(_, outcome)| Arc::clone(outcome))
        });
        just_bought.or_else(|| {
            let key = (content, example.clone());
            let known = self.minibatch.get(&key).or_else(|| self.pareto.get(&key));
            known.cloned()
        })
    }
}

#[cfg(test)]
impl Memory {
    /// From here on parents are evaluated again, as the reference implementation does.
    pub(crate) fn forget_for_parents(&mut self) {
        self.pareto.extend(self.minibatch.drain());
    }

    /// Takes in an outcome that no trial bought.
    pub(crate) fn note(&mut self, content: ContentId, example: &ExampleId, outcome: Arc<Outcome>) {
        if self.reuse {
            self.pareto.insert((content, example.clone()), outcome);
        }
    }
}
