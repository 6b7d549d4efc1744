//! Evaluators and proposers in any language: long-lived child processes that speak JSON lines.
//!
//! The protocols are documented in `docs/process-evaluator.md` and `docs/process-proposer.md`.

mod error;
mod evaluator;
mod exchange;
mod group;
mod lines;
mod pool;
mod proposal_lines;
mod proposer;
mod protocol;
mod questions;
mod reply;
mod settings;
mod worker;

pub use error::ProcessError;
pub use evaluator::ProcessEvaluator;
pub(crate) use group::ChildGroup;
pub(crate) use lines::{StderrTail, watch_stderr};
pub use proposer::ProcessProposer;
pub use protocol::PROTOCOL_VERSION;
pub(crate) use protocol::{Reply, read_answer, read_hello, read_reply};
pub(crate) use questions::Questions;
pub use settings::{ProcessProposerSettings, ProcessSettings};
pub(crate) use settings::{absolute, program_path};
