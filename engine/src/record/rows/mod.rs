//! The rows: what each table holds, how a row follows from an event, its columns in a database and
//! its columns in exports. A new column of a row is written in the file of that row, and in a
//! migration of the store.

mod candidate;
mod reflection;
mod rollout;
mod run;
mod snapshot;
mod trial;

pub use candidate::{
    CANDIDATE_EXPORT, CandidateRow, CandidateStatus, GateRow, components, messages,
};
pub use reflection::ReflectionRow;
pub use rollout::{ROLLOUT_EXPORT, RolloutRow};
pub use run::{RunRow, RunStatus, RunSummary};
pub use snapshot::SnapshotRow;
pub use trial::{TRIAL_EXPORT, TrialRow};
