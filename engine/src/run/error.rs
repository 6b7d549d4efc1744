//! The reasons why a run cannot be started or continued.

use crate::config::Problem;
use crate::core::{LimitsRefused, SteeringRefused};
use crate::ids::Seq;
use crate::stop::StopReason;
use crate::store::StoreError;

/// Why a run could not be started or continued. Everything journaled stays. The run can be resumed,
/// unless it could not even be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The builder lacks a part.
    #[error("the run has no {0}; give the builder one")]
    Incomplete(&'static str),
    /// The budget does not cover a single proposal.
    #[error(
        "a budget of {limit} rollouts cannot afford one proposal: {floor} are the least \
         ({seed} to score the seed, {proposal} for one proposal, {validation} for the final validation); \
         raise `budget.max_rollouts`, lower `validation.top_k`, or shrink the example sets"
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
    /// A part of the run was decided with a value that no setting has any more.
    #[error("the run cannot be decided again: {0}")]
    RemovedSetting(Problem),
    /// A limit cannot be set below the amount already spent.
    #[error(
        "`{key}` was {before} and is {after}, but {spent} is spent or promised already; set it to {spent} or more"
    )]
    LimitBelowSpent {
        /// The key.
        key: &'static str,
        /// Its value in force.
        before: String,
        /// The value wanted.
        after: String,
        /// The amount spent or reserved.
        spent: String,
    },
    /// The run ended for a reason that no limit can remove.
    #[error(
        "the run is over and other limits cannot make it go on; it ended by: {0}; begin a new run, or branch from it with `gepa branch`"
    )]
    Over(StopReason),
    /// The run is over, and the wanted limits would not change that.
    #[error(
        "the run is over and would end again at once under these limits: {0}{lacking}; raise the limit that this names, for example `gepa run --resume RUN --set budget.max_rollouts=5000`",
        lacking = .0.lacking()
    )]
    StillOver(StopReason),
    /// A person's act was refused.
    #[error(transparent)]
    Refused(#[from] SteeringRefused),
    /// The seed or an example set differs from the one the run was started with.
    #[error(
        "{what} differs from the one the run began with, and earlier decisions rest on it; begin a new run, or go on with the stored config: `gepa run --resume RUN`"
    )]
    OtherTask {
        /// What differs.
        what: String,
    },
    /// Nothing can be taken from the run that `search.start_from` names.
    #[error("`search.start_from` names `{run}`, from which this run cannot start: {reason}")]
    CannotStartFrom {
        /// The run named.
        run: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The earlier run does not have the iteration to branch from.
    #[error("the run has no iteration {iteration}; the last one that began is {last}")]
    NoSuchIteration {
        /// The wanted iteration.
        iteration: u64,
        /// The last one there is.
        last: u64,
    },
    /// The task that worked on the run ended without a result.
    #[error("the run's task ended without a result; resume the run to go on")]
    TaskLost,
}

impl From<LimitsRefused> for RunError {
    fn from(refused: LimitsRefused) -> Self {
        match refused {
            LimitsRefused::BelowSpent {
                key,
                before,
                after,
                spent,
            } => Self::LimitBelowSpent {
                key,
                before,
                after,
                spent,
            },
            LimitsRefused::Over(reason) => Self::Over(reason),
            LimitsRefused::StillOver(reason) => Self::StillOver(reason),
        }
    }
}
