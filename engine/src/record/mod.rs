//! What can be asked about a run: rows, each a function of the journal.

pub mod columns;
mod project;
mod rows;
mod snapshot;
mod statistics;
mod status;

pub use project::{Change, Projector};
pub use rows::{
    ArtifactRow, CandidateRow, CandidateStatus, GateRow, ReflectionRow, RolloutRow, RunRow,
    RunStatus, RunSummary, SnapshotRow, TrialRow,
};
pub use snapshot::{
    ArchiveItem, BestPrompt, SnapshotPayload, SnapshotView, render_snapshot, token_estimate,
};
pub use statistics::statistics;
pub use status::JobStatus;
