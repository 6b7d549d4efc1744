//! The examples of an ablation.

use std::collections::BTreeSet;

use gepa_engine::{Candidate, ExampleId, ExampleSets};

use crate::error::AblationError;
use crate::race::{Bench, FIRST_BLOCK};
use crate::scoring::in_order;

/// The examples of the race, and those of the check as a whole.
#[derive(Debug)]
pub(crate) struct Sets {
    pub(crate) race: Vec<ExampleId>,
    pub(crate) check: Vec<ExampleId>,
    /// Whether the check has examples of its own.
    pub(crate) is_held_out: bool,
}

impl Sets {
    pub(crate) fn of(sets: &ExampleSets) -> Self {
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
    pub(crate) fn reserve(&self, bench: &Bench, full: &Candidate) -> u64 {
        if self.is_held_out {
            (self.check.len() + bench.cost(full, &self.check)) as u64
        } else {
            0
        }
    }

    /// Fails unless the budget suffices for one line and the check as a whole.
    pub(crate) fn check_budget(
        &self,
        bench: &Bench,
        full: &Candidate,
    ) -> Result<(), AblationError> {
        let block = self.race.get(..FIRST_BLOCK).unwrap_or(&self.race);
        let least = self.reserve(bench, full) + (bench.cost(full, block) + block.len()) as u64;
        if bench.budget >= least {
            return Ok(());
        }
        Err(AblationError::BudgetTooSmall {
            given: bench.budget,
            examples: block.len(),
            least,
        })
    }
}
