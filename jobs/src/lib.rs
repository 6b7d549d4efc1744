//! The dialect of prompt-learning clients, in one place: their job files, the status and the
//! snapshots they read, the events they follow, and the result files their queues collect.

mod dialect;
pub mod events;
mod mark;
mod snapshot;
mod status;
mod submission;
pub mod train;
pub mod views;

pub use dialect::PromptLearning;
pub use mark::JobMark;
pub use snapshot::{
    ArchiveItem, BestPrompt, PromptData, PromptObject, SnapshotPayload, SnapshotView,
    render_snapshot,
};
pub use status::JobStatus;
pub use submission::submission_body;

use gepa_configs::Dialects;

/// The dialects a config may be written in beside this engine's own.
pub const DIALECTS: Dialects = &[&PromptLearning];
