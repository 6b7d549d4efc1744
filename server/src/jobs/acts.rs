//! What people want of runs: acts on jobs of this engine, of other engines, and at rest; branches.

use std::time::Duration;

use gepa_ablation::refusal_of_evaluation;
use gepa_engine::record::RunRow;
use gepa_engine::{BranchPoint, RunError, RunId, Seq, StoreError};
use gepa_jobs::JobMark;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::command::{CANCEL, JobCommand, message};
use super::supervisor::{SubmitError, Supervisor};
use crate::steering::{SteerError, SteerRequest, Steered, pass_on, steer_here};

/// How long the answer to a pause waits for its entry in the journal.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Events read from the store in one go.
const PAGE: usize = 256;

impl Supervisor {
    /// Does what a person wants of a run: through the job of this process, through the process of this
    /// machine that works on the run, or in the journal if no process does. A job that is over and gets
    /// other limits goes on.
    pub(crate) async fn steer(
        &self,
        run: &RunId,
        request: SteerRequest,
    ) -> Result<Steered, SteerError> {
        if let Some(control) = self.control(run) {
            let (_, by) = request.clone().read()?;
            let seq = if let Some(command) = JobCommand::of(&request, by) {
                let told = self.command(run, command).await;
                told.map_err(|error| SteerError::Refused(error.to_string()))?
            } else {
                let done = pass_on(&control, request).await;
                done.map_err(SteerError::Refused)?
            };
            return Ok(Steered {
                seq,
                at_rest: false,
            });
        }
        let stored = self.shared().store.run(run).await?;
        if let Some(fleet) = &self.shared().fleet
            && self.shared().store.is_claimed(run).await?
        {
            request.clone().read()?;
            fleet.send(run, &message(&request)).await?;
            return Ok(Steered {
                seq: None,
                at_rest: false,
            });
        }
        let config = self.shared().source.config(&stored);
        let by = request.clone().read()?.1;
        let is_resumed = request.act == "resume";
        let steered = steer_here(&*self.shared().store, &stored, request, config).await?;
        let is_here = self.shared().known().contains(run);
        let now = self.shared().store.run(run).await?;
        if is_resumed && is_here {
            // The job was paused under an earlier server, so its task waits for this command.
            self.pass_on(run, JobCommand::Resume(by));
        } else if is_resumed && let Some(fleet) = &self.shared().fleet {
            fleet.resume(run).await?;
        }
        let goes_on = stored.summary.status.is_terminal() && !now.summary.status.is_terminal();
        if goes_on && !is_here && JobMark::of(&now).is_some() {
            self.begin(&now, None).await?;
        }
        Ok(steered)
    }

    /// Begins a job where another run was at an iteration, by default the last one, with other values
    /// for some keys of the search.
    pub(crate) async fn branch(
        &self,
        origin: &RunId,
        iteration: Option<u64>,
        overrides: &Map<String, Value>,
    ) -> Result<RunId, SubmitError> {
        if *self.closing().borrow() {
            return Err(SubmitError::Closing);
        }
        let most = self.shared().settings.max_queued;
        if self.shared().queued() >= most {
            return Err(SubmitError::QueueFull(most));
        }
        let stored = self
            .shared()
            .store
            .run(origin)
            .await
            .map_err(RunError::from)?;
        if let Some(refusal) = refusal_of_evaluation(&stored, "branched") {
            return Err(SubmitError::Evaluation(refusal));
        }
        let config = self.shared().source.config(&stored).await?;
        let prepared = self.shared().source.branched(&stored, overrides).await?;
        if let Some(changed) = &prepared.other_app {
            return Err(SubmitError::OtherApp(changed.clone()));
        }
        let point = BranchPoint {
            run: origin.clone(),
            iteration,
            config,
        };
        // A branch counts for the tenant of its origin.
        let (tenant, priority) = JobMark::of(&stored)
            .map(|mark| (mark.tenant, mark.priority))
            .unwrap_or_default();
        let builder = prepared.submission(&self.shared().store, &tenant, priority);
        let run = builder.create_branch(point).await?;
        let run = self
            .shared()
            .store
            .run(&run)
            .await
            .map_err(RunError::from)?;
        self.begin(&run, Some(prepared))
            .await
            .map_err(RunError::from)?;
        Ok(run.run_id)
    }

    /// Waits until the journal has the entry of a command that was passed on, so that the process can be killed
    /// after the answer and the act is kept. `None` if there is none to come, or if it takes long: a job that is
    /// to go on may wait for a slot.
    pub(super) async fn journaled(
        &self,
        before: &RunRow,
        command: &JobCommand,
    ) -> Result<Option<Seq>, StoreError> {
        let (kind, pauses) = match command {
            JobCommand::Pause(_) => ("run_paused", true),
            JobCommand::Resume(_) => ("run_continued", false),
            JobCommand::Cancel => return Ok(None),
        };
        if before.summary.paused == pauses {
            return Ok(None);
        }
        let store = &self.shared().store;
        let deadline = Instant::now() + LONGEST_WAIT;
        let mut last = before.summary.seq;
        loop {
            for event in store.events(&before.run_id, last, PAGE).await? {
                last = event.seq;
                if event.body.kind() == kind {
                    return Ok(Some(last));
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            store.wait_for_events(&before.run_id, last, left).await;
        }
    }

    /// Does what another engine was asked to do with a job of this one.
    pub(super) fn receive(&self, job: &RunId, text: &str) -> Result<(), String> {
        if text == CANCEL {
            self.pass_on(job, JobCommand::Cancel);
            return Ok(());
        }
        let request: SteerRequest = serde_json::from_str(text)
            .map_err(|_| format!("`{text}` is no command that this version knows"))?;
        let (_, by) = request.clone().read().map_err(|error| error.to_string())?;
        if let Some(command) = JobCommand::of(&request, by) {
            self.pass_on(job, command);
            return Ok(());
        }
        let control = self.control(job);
        let control = control.ok_or("the job has not begun; try again")?;
        let job = job.clone();
        // The act is in the journal when the run's task has time for it; other jobs do not wait for that.
        tokio::spawn(async move {
            if let Err(refused) = pass_on(&control, request).await {
                log_refusal(&job, &refused);
            }
        });
        Ok(())
    }
}

/// Logs that a request from another engine was not done. Its sender has had an answer already.
pub(super) fn log_refusal(job: &RunId, refused: &str) {
    tracing::warn!(%job, %refused, "a request from another engine was not done");
}
