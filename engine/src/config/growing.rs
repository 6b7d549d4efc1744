//! `[search.growing]`: how rows of pareto scores grow.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem::Problem;

/// How much of the pareto set a candidate is run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Evaluation {
    /// Every candidate on the whole set, as in the reference implementation.
    Full,
    /// The seed and each child on a short row first. A child's row grows while the child may still
    /// beat the best candidate; rows of good candidates grow all the time. Candidates are ranked by
    /// an estimate that makes rows of different length comparable.
    #[default]
    Growing,
}

/// The order in which rows take the pareto examples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RowOrder {
    /// Drawn from the seed of the run.
    #[default]
    Drawn,
    /// As the pareto set lists them.
    Listed,
}

/// `[search.growing]`: how rows grow under `search.evaluation = "growing"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default)]
#[non_exhaustive]
pub struct GrowingSettings {
    /// The order in which rows take the pareto examples.
    pub order: RowOrder,
    /// Pareto examples of the seed's row, and of the first step of a child's row.
    pub n0: u32,
    /// How many times as long a child's row is after each further step, above 1.
    pub grow: f64,
    /// Pareto examples that are added to a row at once when it is refined after its acceptance.
    pub block: u32,
    /// Share of the rollouts that refine rows of accepted candidates, from 0 to 0.9.
    pub refine: f64,
    /// A child's row stops growing when the probability that the child is better than the best
    /// candidate falls below this, from 0 to 0.5.
    pub alpha: f64,
    /// How much a child is expected to differ from its parent: a standard deviation, as a share of
    /// the range of scores, above 0 and at most 1.
    pub tau: f64,
    /// Whether a whole row may get further outcomes of its examples, if the same candidate may get another
    /// outcome on the same example. Not where known outcomes are reused. Off in settings that were stored
    /// without it.
    #[serde(default)]
    pub repeats: bool,
    /// How often the estimate fits candidates and examples in turn, from 1 to 20.
    pub sweeps: u32,
}

impl Default for GrowingSettings {
    fn default() -> Self {
        Self {
            order: RowOrder::Drawn,
            n0: 12,
            grow: 2.0,
            block: 8,
            refine: 0.12,
            alpha: 0.2,
            tau: 0.1,
            repeats: true,
            sweeps: 3,
        }
    }
}

impl GrowingSettings {
    /// Adds the values that are out of range.
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        let within = |value: f64, least: f64, most: f64| (least..=most).contains(&value);
        let checks = [
            (self.n0 >= 1, "n0", "must be at least 1"),
            (
                self.grow > 1.0 && self.grow <= 100.0,
                "grow",
                "must be above 1 and at most 100",
            ),
            (self.block >= 1, "block", "must be at least 1"),
            (
                within(self.refine, 0.0, 0.9),
                "refine",
                "must lie between 0 and 0.9",
            ),
            (
                within(self.alpha, 0.0, 0.5),
                "alpha",
                "must lie between 0 and 0.5",
            ),
            (
                self.tau > 0.0 && self.tau <= 1.0,
                "tau",
                "must be above 0 and at most 1",
            ),
            (
                (1..=20).contains(&self.sweeps),
                "sweeps",
                "must lie between 1 and 20",
            ),
        ];
        for (holds, key, message) in checks {
            if !holds {
                problems.push(Problem::new(format!("search.growing.{key}"), message));
            }
        }
    }
}
