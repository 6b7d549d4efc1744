//! The result of a run.

use gepa_evaluation::Message;

use crate::record::{CandidateRow, RunRow};
use crate::stop::StopReason;

/// The end of a process's work on a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunResult {
    /// The run and all its figures, as stored.
    pub run: RunRow,
    /// How it ended.
    pub end: RunEnd,
    /// The best candidate by mean pareto score.
    pub best: Option<CandidateRow>,
    /// Its messages, wildcards left as `{name}`.
    pub messages: Vec<Message>,
}

/// How a process's work on a run ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RunEnd {
    /// The run is over.
    Finished(StopReason),
    /// The run can be resumed.
    Interrupted {
        /// What happened, as a text for people.
        reason: String,
        /// Whether the provider was down. If false, the run was interrupted from outside.
        provider_down: bool,
    },
}
