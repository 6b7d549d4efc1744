//! What a stop condition sees: how the search stands when another generation could begin.

use gepa_archive::Archive;

use crate::config::BudgetSettings;

/// The standing of the search when another generation could begin. It shows what has been decided,
/// never which results have arrived.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Standing<'a> {
    /// The generation that could begin, from 1.
    pub generation: u64,
    /// Its first iteration, from 1.
    pub iteration: u64,
    /// Generations in one pass over the training examples, rounded up.
    pub epoch: u64,
    /// Pareto examples.
    pub pareto: usize,
    /// The archive.
    pub archive: &'a Archive,
    /// The limits in force.
    pub limits: &'a BudgetSettings,
    /// Iterations decided on since the best mean score last rose.
    pub since_best: u64,
    /// Iterations in a row without a rollout executed.
    pub idle: u64,
    /// The number of idle iterations after which no progress is expected.
    pub most_idle: u64,
    /// Iterations in a row without a usable text from the reflection model.
    pub unreflected: u64,
    /// The number of iterations without a usable text after which the run stops using the
    /// reflection model.
    pub most_unreflected: u64,
    /// Why the last text could not be used; empty if all could.
    pub last_complaint: &'a str,
    /// Rollouts of the optimization phase; the share of the validation is not in the limit.
    pub rollouts: Account,
    /// Calls of the reflection model.
    pub reflections: Account,
}

/// One budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// The limit; `None` if there is none.
    pub limit: Option<u64>,
    /// The amount used by all decided proposals.
    pub used: u64,
    /// The amount reserved for proposals in flight.
    pub reserved: u64,
    /// The amount needed to try the next generation to its end.
    pub needed: u64,
}

impl Account {
    /// Whether the limit covers what the next generation needs.
    pub fn covers_need(&self) -> bool {
        let taken = self.used + self.reserved;
        self.limit
            .is_none_or(|limit| taken.saturating_add(self.needed) <= limit)
    }
}
