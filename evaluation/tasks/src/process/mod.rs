//! Evaluators in any language: long-lived child processes that speak JSON lines.
//!
//! The protocol is documented in `docs/process-evaluator.md`.

mod error;
mod evaluator;
mod exchange;
mod group;
mod lines;
mod pool;
mod protocol;
mod settings;
mod worker;

pub use error::ProcessError;
pub use evaluator::ProcessEvaluator;
pub(crate) use group::ChildGroup;
pub(crate) use lines::{StderrTail, watch_stderr};
pub use protocol::PROTOCOL_VERSION;
pub(crate) use protocol::{Reply, read_hello, read_reply};
pub use settings::ProcessSettings;
pub(crate) use settings::{absolute, program_path};
