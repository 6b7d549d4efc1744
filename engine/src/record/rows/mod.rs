//! The rows: the content of each table, how a row follows from an event, and its columns in a
//! database and in exports. To add a column, change the file of the row.

mod act;
mod candidate;
mod reflection;
mod rollout;
mod run;
mod snapshot;
mod trial;

pub use act::ActRow;
pub use candidate::{
    CANDIDATE_EXPORT, CandidateRow, CandidateStatus, GateRow, components, messages,
};
pub use reflection::{REFLECTION_EXPORT, ReflectionRow};
pub use rollout::{ROLLOUT_EXPORT, RolloutRow};
pub use run::{Rest, RunRow, RunStatus, RunSummary};
pub use snapshot::SnapshotRow;
pub use trial::{TRIAL_EXPORT, TrialRow};
