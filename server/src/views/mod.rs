//! What clients are shown of rows.

mod artifact;
mod job;
mod snapshot;

pub(crate) use artifact::artifacts;
pub(crate) use job::{JobContext, job_detail, job_entry, prompt_entry};
pub(crate) use snapshot::{Snapshots, best_snapshot, find_snapshot, snapshots};
