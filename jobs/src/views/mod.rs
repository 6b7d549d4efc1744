//! Rows in the shapes that job clients read.

mod artifact;
mod job;
mod snapshot;

pub use artifact::artifacts;
pub use job::{JobContext, job_detail, job_entry, prompt_entry};
pub use snapshot::{Snapshots, best_snapshot, find_snapshot, snapshots, snapshots_since};
