//! What can be asked about a run: rows, each a function of the journal.

pub mod columns;
mod project;
mod rows;
mod statistics;
mod tokens;

pub use project::{Change, Projector};
pub use rows::{
    ArtifactRow, CandidateRow, CandidateStatus, GateRow, ReflectionRow, RolloutRow, RunRow,
    RunStatus, RunSummary, SnapshotRow, TrialRow,
};
pub use statistics::statistics;
pub use tokens::token_estimate;
