//! The limits of a run.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[budget]`: limits that are never overshot, and conditions that end the search. At least one of
/// the limits that end every run must be set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default)]
#[non_exhaustive]
pub struct BudgetSettings {
    /// Rollouts of the whole run, the validation's share included.
    pub max_rollouts: Option<u64>,
    /// Calls of the reflection model.
    pub max_reflection_calls: Option<u64>,
    /// Tokens of all models together.
    pub max_tokens: Option<u64>,
    /// Known cost of all models together, in US dollars.
    pub max_cost_usd: Option<f64>,
    /// Seconds of work, the validation's share included.
    pub max_seconds: Option<f64>,
    /// Iterations, each one proposal. A generation that has begun is finished.
    pub max_iterations: Option<u64>,
    /// Candidates in the archive.
    pub max_candidates: Option<u32>,
    /// Iterations without a new best mean score.
    pub no_improvement_iterations: Option<u64>,
    /// Mean pareto score that is good enough.
    pub target_score: Option<f64>,
    /// The search ends when its candidates differ by less: the standard deviation between their true means on the
    /// pareto set, with 90 % confidence. Looked at after each pass over the training examples from the third on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least_spread: Option<f64>,
}

/// Calls a macro with the names of all fields of [`BudgetSettings`].
macro_rules! budget_keys {
    ($then:ident) => {
        $then!(
            max_rollouts,
            max_reflection_calls,
            max_tokens,
            max_cost_usd,
            max_seconds,
            max_iterations,
            max_candidates,
            no_improvement_iterations,
            target_score,
            least_spread
        )
    };
}

macro_rules! names {
    ($($key:ident),*) => { &[$(stringify!($key)),*] };
}

impl BudgetSettings {
    /// The keys of `[budget]`.
    pub const KEYS: &'static [&'static str] = budget_keys!(names);

    /// Whether some limit is set that every run reaches in the end.
    pub fn ends_every_run(&self) -> bool {
        self.max_rollouts.is_some()
            || self.max_reflection_calls.is_some()
            || self.max_tokens.is_some()
            || self.max_cost_usd.is_some()
            || self.max_seconds.is_some()
            || self.max_iterations.is_some()
            || self.no_improvement_iterations.is_some()
    }

    /// These limits, with every key that differs between `from` and `to` as `to` has it.
    #[must_use]
    pub fn with_changes(&self, from: &Self, to: &Self) -> Self {
        fn pick<T: PartialEq + Copy>(own: T, from: T, to: T) -> T {
            if from == to { own } else { to }
        }
        macro_rules! picked {
            ($($key:ident),*) => {
                Self { $($key: pick(self.$key, from.$key, to.$key),)* }
            };
        }
        budget_keys!(picked)
    }
}
