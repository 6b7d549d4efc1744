//! Jobs: runs submitted over HTTP, which this process runs to their end.

mod acts;
mod command;
mod configured;
mod fleet;
mod hunt;
mod job_runner;
mod outage;
mod slots;
mod source;
mod supervisor;

pub(crate) use command::JobCommand;
pub use configured::ConfiguredJobs;
pub use fleet::{Backlog, Fleet};
pub use outage::OutageSettings;
pub use source::{JobSource, PreparedJob};
pub(crate) use supervisor::{CommandError, SubmitError, Supervisor};
