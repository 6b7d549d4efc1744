//! What other tasks can see of a job.

use gepa_engine::RunControl;
use tokio::time::Instant;

use super::source::PreparedJob;

/// What other tasks can see of a job.
#[derive(Debug, Default)]
pub(super) struct JobState {
    /// Since when it waits for a slot.
    pub(super) queued_since: Option<Instant>,
    /// The job while it runs.
    pub(super) running: Option<PreparedJob>,
    pub(super) waiting_for: Option<String>,
    /// Steers the run while it runs.
    pub(super) control: Option<RunControl>,
}

impl JobState {
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// What the job waits for: a slot, a resume request, or the end of an outage. While the job
    /// runs, what its model calls wait for.
    pub(super) fn waiting_for(&self) -> Option<String> {
        let of_calls = || {
            let running = self.running.as_ref()?;
            let policy = running.evaluator.obstacle();
            policy.or_else(|| running.proposer.obstacle())
        };
        self.waiting_for.clone().or_else(of_calls)
    }
}
