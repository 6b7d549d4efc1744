//! The examples of an ablation.

use std::collections::BTreeSet;

use gepa_configs::TaskConfig;
use gepa_engine::{Candidate, ExampleId};

use super::race::Bench;
use crate::command::eval::in_order;
use crate::error::CommandError;

/// The examples of the race, and those of the check as a whole.
pub(super) struct Sets {
    pub(super) race: Vec<ExampleId>,
    pub(super) check: Vec<ExampleId>,
    /// Whether the check has examples of its own.
    pub(super) is_held_out: bool,
}

impl Sets {
    pub(super) fn of(task: &TaskConfig) -> Self {
        let sets = task.config.sets();
        let is_held_out = !sets.validation.is_empty();
        let mut race = in_order(&sets.pareto);
        if is_held_out {
            // Without held-out examples something must be left that is not scored.
            let taken: BTreeSet<&ExampleId> = sets.pareto.iter().chain(&sets.validation).collect();
            let rest = in_order(&sets.train).into_iter();
            race.extend(rest.filter(|example| !taken.contains(example)));
        }
        Self {
            check: in_order(if is_held_out {
                &sets.validation
            } else {
                &sets.pareto
            }),
            race,
            is_held_out,
        }
    }

    /// Rollouts that are kept for the check as a whole.
    pub(super) fn reserve(&self, bench: &Bench<'_>, full: &Candidate) -> u64 {
        if self.is_held_out {
            (self.check.len() + bench.cost(full, &self.check)) as u64
        } else {
            0
        }
    }

    pub(super) fn check_budget(
        &self,
        bench: &Bench<'_>,
        full: &Candidate,
        budget: u64,
    ) -> Result<(), CommandError> {
        let block = &self.race[..16.min(self.race.len())];
        let least = self.reserve(bench, full) + (bench.cost(full, block) + block.len()) as u64;
        if budget >= least {
            return Ok(());
        }
        Err(CommandError::Usage(format!(
            "`--max-rollouts {budget}` is too small: one line on {} examples and the check as a whole need {least}",
            block.len()
        )))
    }
}
