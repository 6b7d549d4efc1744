//! Jobs: runs submitted over HTTP, which this process runs to their end.

mod acts;
mod command;
mod configured;
mod fleet;
mod hunt;
mod job_runner;
mod job_state;
mod outage;
mod shared;
mod slots;
mod source;
mod start;
mod supervisor;

pub(crate) use command::JobCommand;
pub use configured::ConfiguredJobs;
pub use fleet::{Backlog, Fleet};
pub use outage::OutageSettings;
pub use source::{JobSource, PreparedJob};
pub(crate) use supervisor::{CommandError, SubmitError, Supervisor};
