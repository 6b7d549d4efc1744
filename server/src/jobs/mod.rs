//! Jobs: runs submitted over HTTP, worked on in this process until they are over.

mod attendance;
mod configured;
mod outage;
mod slots;
mod source;
mod supervisor;

pub use configured::ConfiguredJobs;
pub use outage::OutageSettings;
pub use source::{JobSource, PreparedJob};
pub(crate) use supervisor::{CommandError, JobCommand, SubmitError, Supervisor};
