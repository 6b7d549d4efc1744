//! Answers of policies that another process could not repeat.

use serde::{Deserialize, Serialize};

/// The answer of a policy that is not part of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyDecided {
    /// The point of the search that the question belongs to.
    pub point: PolicyPoint,
    /// The iteration of the question. For a stop condition and at the end of the run it is the
    /// first iteration that could begin.
    pub iteration: u64,
    /// The number of the question within its point and iteration, from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub number: u32,
    /// The answer; its form depends on the point.
    pub answer: serde_json::Value,
}

/// The questions that policies answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PolicyPoint {
    /// The parent: a candidate's index or nothing.
    Parent,
    /// The parent that a stale child was tried against; only in journals of former versions.
    Regate,
    /// The minibatch: positions in the training set.
    Minibatch,
    /// The components to rewrite: their positions.
    Components,
    /// Whether a child passes its gate; in journals of former versions question 1 is about the second gate of
    /// a stale child.
    Gate,
    /// The next step of a row of pareto scores; one question for each order.
    Row,
    /// Whether the search ends: a stop reason or nothing.
    Stop,
    /// The best candidates: their indices.
    Winner,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde asks for"
)]
fn is_first(number: &u32) -> bool {
    *number == 0
}
