//! Everything in the shapes of prompt-learning clients: job files, job status, snapshots, API
//! events, and the result files of `gepa train`.

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
};
pub use status::JobStatus;
pub use submission::submission_body;

use gepa_configs::Dialects;

/// The dialects in which a config may be written besides this engine's own format.
pub const DIALECTS: Dialects = &[&PromptLearning];
