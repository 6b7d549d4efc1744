//! The result of a run.

use gepa_evaluation::Message;

use super::error::RunError;
use crate::ids::RunId;
use crate::record::{CandidateRow, RunRow};
use crate::stop::StopReason;
use crate::store::Store;

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
        /// When calls of the provider go on, in seconds since the Unix epoch, where it said so.
        goes_on_at: Option<u64>,
    },
}

/// Reads the result of a run from its store.
pub(super) async fn read_result(
    store: &dyn Store,
    run_id: &RunId,
    end: RunEnd,
) -> Result<RunResult, RunError> {
    let run = store.run(run_id).await?;
    let candidates = store.candidates(run_id).await?;
    let end = match (end, &run.summary.stop_reason) {
        // The summary knows of failures that no single decision shows.
        (RunEnd::Finished(_), Some(reason)) => RunEnd::Finished(reason.clone()),
        (end, _) => end,
    };
    let best = run
        .summary
        .best
        .and_then(|best| candidates.into_iter().find(|row| row.index == Some(best)));
    let sections = best
        .as_ref()
        .map(|row| run.template.sections(&row.components));
    let messages = sections
        .unwrap_or_default()
        .into_iter()
        .map(|section| Message::new(section.role, section.content))
        .collect();
    Ok(RunResult {
        run,
        end,
        best,
        messages,
    })
}
