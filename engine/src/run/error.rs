//! Why a run could not be started or carried on.

use crate::ids::Seq;
use crate::store::StoreError;

/// Why a run could not be started or carried on. What is journaled stays; unless the run could not
/// even be started, it can be resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The builder lacks a part.
    #[error("the run has no {0}; give the builder one")]
    Incomplete(&'static str),
    /// The budget covers not even one proposal.
    #[error(
        "a budget of {limit} rollouts cannot afford one proposal: {floor} are the least \
         ({seed} to score the seed, {proposal} for one proposal, {validation} for the final validation); \
         raise `budget.max_rollouts` or shrink the example sets"
    )]
    BudgetTooSmall {
        /// Rollouts allowed.
        limit: u64,
        /// Rollouts needed.
        floor: u64,
        /// Of these, for the seed.
        seed: u64,
        /// Of these, for one proposal.
        proposal: u64,
        /// Of these, for the final scoring.
        validation: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored journal cannot be continued.
    #[error(
        "the journal's decision {seq} ({kind}) does not follow from what came before it under this configuration \
         and program; resume with the ones the run was started with"
    )]
    Diverged {
        /// The event.
        seq: Seq,
        /// Its kind.
        kind: &'static str,
    },
    /// The run's task is gone.
    #[error("the run's task ended without a result; resume the run to go on")]
    TaskLost,
}
