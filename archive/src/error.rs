//! The errors of an archive.

use std::sync::Arc;

use crate::{CandidateIndex, InstanceIndex};

/// Why a score row or an insertion was refused; the archive is unchanged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A score is NaN or infinite. Record the rollout as failed instead of scoring it.
    #[error("score {score} of instance {instance} is not finite, record the rollout as failed")]
    BadScore {
        /// The instance the score belongs to.
        instance: InstanceIndex,
        /// The score as given.
        score: f64,
    },
    /// An objective's score is NaN or infinite. Leave out an objective without a value.
    #[error(
        "objective `{objective}` of instance {instance} is {score}, leave out objectives without \
         a finite value"
    )]
    BadObjective {
        /// The instance the objective belongs to.
        instance: InstanceIndex,
        /// The objective's name.
        objective: Arc<str>,
        /// The value as given.
        score: f64,
    },
    /// An instance occurs twice in one row. Keep one score per instance.
    #[error("instance {0} is scored twice in one row, keep one score per instance")]
    DuplicateInstance(InstanceIndex),
    /// The scores are so large that their sum is not finite. Scale the scores down.
    #[error("the sum of the scores is not finite, scale the scores down")]
    MeanOverflow,
    /// A parent is not in the archive. Insert parents before their children.
    #[error("parent {0} is not in the archive, insert parents before their children")]
    UnknownParent(CandidateIndex),
    /// The candidate has left the live archive, or never entered it. Extend rows of live
    /// candidates.
    #[error("candidate {0} is not in the live archive, extend the rows of live candidates")]
    NotLive(CandidateIndex),
}
