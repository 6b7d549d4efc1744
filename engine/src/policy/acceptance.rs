//! When a child goes on from its minibatch to the pareto set.

use crate::config::Acceptance;

/// One comparison of a child with its parent on the same minibatch.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct GateQuestion<'a> {
    /// The child's iteration, from 1.
    pub iteration: u64,
    /// The scores of parent and child, by example: only examples on which both have a score, at
    /// least one.
    pub pairs: &'a [(f64, f64)],
    /// Sum of the parent's scores over `pairs`.
    pub parent_sum: f64,
    /// Sum of the child's scores over `pairs`.
    pub child_sum: f64,
}

/// Decides at the gate.
///
/// The core asks once for each child of a reflection whose minibatch has all its outcomes, and a
/// second time if a stale child is compared with another parent. Merges do not use this policy: a
/// merge passes if it equals the better parent.
///
/// The policy answers from the question alone. A child that has the scores of its parent and more
/// on one example passes wherever a child with exactly the scores of its parent does.
pub trait AcceptanceRule: Send {
    /// Whether the child goes on.
    fn passes(&mut self, question: &GateQuestion<'_>) -> bool;

    /// Whether another process gives the same answers to the same questions, from the configuration
    /// and this value alone. If not, the answers are journaled; see [`Policies`](super::Policies).
    fn replayable(&self) -> bool {
        false
    }
}

impl AcceptanceRule for Acceptance {
    fn passes(&mut self, question: &GateQuestion<'_>) -> bool {
        Self::passes(*self, question.parent_sum, question.child_sum)
    }

    fn replayable(&self) -> bool {
        true
    }
}
