//! What clients are shown of rows.

mod artifact;
mod job;
mod snapshot;

pub use artifact::artifacts;
pub use job::{JobContext, job_detail, job_entry, prompt_entry};
pub use snapshot::{Snapshots, best_snapshot, find_snapshot, snapshots};
