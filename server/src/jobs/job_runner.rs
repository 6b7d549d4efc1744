//! Runs one job, from its queueing to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use gepa_engine::{
    RunControl, RunEnd, RunError, RunHandle, RunId, RunResult, SteeredBy, StopReason, StoreError,
    Timestamp, abandon,
};
use gepa_models::end_of_day_in;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use gepa_configs::ConfigError;

use super::command::JobCommand;
use super::job_state::JobState;
use super::outage::OutageRetry;
use super::shared::Shared;
use super::slots::{QueuePlace, Slot};
use super::source::PreparedJob;
use crate::steering::ControlSocket;

/// Pause between tries to claim a run that another process owns.
const CLAIM_PAUSE: Duration = Duration::from_secs(2);
/// The time until a task app of another version is asked again.
const APP_PAUSE: Duration = Duration::from_secs(5);
/// When the server ends, calls in flight get this long before they are dropped.
const DRAIN: Duration = Duration::from_secs(10);

/// The task that owns a job.
pub(super) struct JobRunner {
    shared: Arc<Shared>,
    job: RunId,
    ticket: u64,
    /// The stored run was paused, and no resume request has arrived.
    is_paused: bool,
    prepared: Option<PreparedJob>,
    commands: mpsc::UnboundedReceiver<JobCommand>,
    state: Arc<Mutex<JobState>>,
    closing: watch::Receiver<bool>,
    outage: OutageRetry,
    control: Option<RunControl>,
}

/// What came of the attempt to resume a run.
enum Resumption {
    Started(Box<RunHandle>),
    /// The run has ended, or another engine takes it.
    Left,
    /// The task app is another one than the run began with, in these words.
    OtherApp(String),
}

/// What the runner does next.
enum JobStep {
    /// Wait for a slot.
    Queue,
    /// Wait for a resume request.
    Rest,
    /// Start or resume the run.
    Begin(Slot),
    /// Wait, then queue again.
    Wait { pause: Duration, why: String },
    /// End the run with this reason.
    End(StopReason),
    /// Stop working on the job.
    Leave,
}

/// What ended a wait.
enum Woken<T> {
    Done(T),
    Command(JobCommand),
    Closing,
}

impl JobRunner {
    #[expect(clippy::too_many_arguments, reason = "there is one caller")]
    pub(super) fn new(
        shared: Arc<Shared>,
        job: RunId,
        ticket: u64,
        is_paused: bool,
        prepared: Option<PreparedJob>,
        commands: mpsc::UnboundedReceiver<JobCommand>,
        state: Arc<Mutex<JobState>>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        state.lock().queued_since = (!is_paused).then(Instant::now);
        Self {
            shared,
            job,
            ticket,
            is_paused,
            prepared,
            commands,
            state,
            closing,
            outage: OutageRetry::default(),
            control: None,
        }
    }

    /// Works until the job has ended or the server ends.
    pub(super) async fn work(mut self, slot: Option<Slot>) {
        let mut step = match slot {
            Some(slot) => JobStep::Begin(slot),
            None if self.is_paused => JobStep::Rest,
            None => JobStep::Queue,
        };
        loop {
            step = match step {
                JobStep::Queue => self.queue().await,
                JobStep::Rest => self.rest().await,
                JobStep::Begin(slot) => Box::pin(self.begin(slot)).await,
                JobStep::Wait { pause, why } => self.wait(pause, why).await,
                JobStep::End(reason) => self.end(reason).await,
                JobStep::Leave => return,
            };
        }
    }

    async fn queue(&mut self) -> JobStep {
        // Enters the queue before the first wait, so that tickets decide the order.
        let place = self.shared.slots.enter(self.ticket);
        self.show(|state| {
            state.queued_since = Some(Instant::now());
            state.waiting_for = Some("a free slot".to_owned());
        });
        loop {
            match self.woken(place.slot()).await {
                Woken::Done(slot) => return JobStep::Begin(slot),
                Woken::Command(JobCommand::Cancel) => return JobStep::End(StopReason::Cancelled),
                Woken::Command(_) => {}
                Woken::Closing => return JobStep::Leave,
            }
        }
    }

    async fn rest(&mut self) -> JobStep {
        self.show(|state| state.waiting_for = Some("a resume request".to_owned()));
        loop {
            match self.woken(std::future::pending::<()>()).await {
                Woken::Command(JobCommand::Cancel) => return JobStep::End(StopReason::Cancelled),
                Woken::Command(JobCommand::Resume(_)) => {
                    self.is_paused = false;
                    return JobStep::Queue;
                }
                Woken::Command(JobCommand::Pause(_)) | Woken::Done(()) => {}
                Woken::Closing => return JobStep::Leave,
            }
        }
    }

    async fn wait(&mut self, pause: Duration, why: String) -> JobStep {
        self.show(|state| state.waiting_for = Some(why));
        let mut sleep = pin!(tokio::time::sleep(pause));
        loop {
            match self.woken(&mut sleep).await {
                Woken::Done(()) => return JobStep::Queue,
                Woken::Command(JobCommand::Cancel) => return JobStep::End(StopReason::Cancelled),
                Woken::Command(_) => {}
                Woken::Closing => return JobStep::Leave,
            }
        }
    }

    async fn begin(&mut self, slot: Slot) -> JobStep {
        let started = match Box::pin(self.resumed()).await {
            Ok(started) => started,
            // Another engine has taken the job, and works on it.
            Err(RunError::Store(StoreError::Claimed { .. })) if self.shared.fleet.is_some() => {
                return JobStep::Leave;
            }
            Err(RunError::Store(StoreError::Claimed { holder, .. })) => {
                let why = format!("{holder}, which owns the run");
                return JobStep::Wait {
                    pause: CLAIM_PAUSE,
                    why,
                };
            }
            Err(error @ RunError::Store(_)) => {
                return self.interrupted(&error.to_string(), None).await;
            }
            Err(error) => return unusable(&error),
        };
        let handle = match started {
            Resumption::Started(handle) => *handle,
            Resumption::Left => return JobStep::Leave,
            Resumption::OtherApp(changed) => {
                return JobStep::Wait {
                    pause: APP_PAUSE,
                    why: format!("the task app that the job began with: {changed}"),
                };
            }
        };
        self.control = Some(handle.control());
        // Other processes of this user steer the run through it.
        let reachable = ControlSocket::open(handle.run_id(), handle.control());
        self.show_running(None);
        let (result, cancelled) = self.watch(handle, slot).await;
        drop(reachable);
        self.control = None;
        self.show(|_| {});
        match result {
            Ok(result) => match result.end {
                RunEnd::Interrupted { .. } if cancelled => JobStep::End(StopReason::Cancelled),
                RunEnd::Interrupted {
                    reason,
                    provider_down: true,
                    goes_on_at,
                } => self.interrupted(&reason, goes_on_at).await,
                RunEnd::Interrupted { .. } if self.shared.fleet.is_some() => JobStep::Leave,
                // Another process took the run. It is ours again if that process ends before the run.
                RunEnd::Interrupted { reason, .. } if !*self.closing.borrow() => JobStep::Wait {
                    pause: CLAIM_PAUSE,
                    why: format!("the end of another process's work ({reason})"),
                },
                // The run has finished, or was interrupted because the server ends.
                _ => JobStep::Leave,
            },
            Err(error @ RunError::Diverged { .. }) => unusable(&error),
            Err(error) => self.interrupted(&error.to_string(), None).await,
        }
    }

    /// Resumes the run from its journal.
    async fn resumed(&mut self) -> Result<Resumption, RunError> {
        let run = self.shared.store.run(&self.job).await?;
        if run.summary.status.is_terminal() {
            return Ok(Resumption::Left);
        }
        if self.prepared.is_none() {
            match self.shared.source.stored(&run).await {
                Ok(prepared) => self.prepared = Some(prepared),
                Err(error) if self.shared.fleet.is_some() => {
                    self.leave_to_others(&error).await;
                    return Ok(Resumption::Left);
                }
                Err(error) => {
                    let message = format!(
                        "{error} (keys that came with the submission are not stored; after a \
                         restart the server's own environment is used)"
                    );
                    abandon(
                        &*self.shared.store,
                        &self.job,
                        StopReason::Unusable { message },
                    )
                    .await?;
                    return Ok(Resumption::Left);
                }
            }
        }
        let Some(prepared) = &self.prepared else {
            return Ok(Resumption::Left);
        };
        if let Some(changed) = prepared.other_app.clone() {
            // The next try asks the app again.
            self.prepared = None;
            return Ok(Resumption::OtherApp(changed));
        }
        let builder = prepared.builder(&self.shared.store);
        let handle = builder.resume(self.job.clone()).await?;
        if run.summary.paused {
            handle.control().resume();
        }
        Ok(Resumption::Started(Box::new(handle)))
    }

    /// Leaves a job to an engine that has what this one lacks, such as a key.
    async fn leave_to_others(&self, error: &ConfigError) {
        self.shared.unable.lock().add(self.job.clone());
        let note = format!(
            "an engine that can begin it; the last one that tried could not: {error} (keys that came \
             with the submission stay with the engine that got it; set them in the environment of \
             every engine)"
        );
        if let Some(fleet) = &self.shared.fleet
            && let Err(error) = fleet.note(&self.job, &note).await
        {
            tracing::warn!(job = %self.job, %error, "what a job waits for was not noted");
        }
    }

    /// Waits for the run's end and passes commands on. The flag is true if a client cancelled the
    /// run.
    async fn watch(
        &mut self,
        handle: RunHandle,
        slot: Slot,
    ) -> (Result<RunResult, RunError>, bool) {
        let control = handle.control();
        let mut finish = pin!(handle.finish());
        let mut slot = Some(slot);
        let mut place: Option<QueuePlace> = None;
        let mut cancelled = false;
        let mut resumed_by = SteeredBy::default();
        loop {
            let event = self.woken(async {
                tokio::select! {
                    result = &mut finish => Watched::Finished(Box::new(result)),
                    slot = turn(place.as_ref()) => Watched::Turn(slot),
                }
            });
            match event.await {
                Woken::Done(Watched::Finished(result)) => return (*result, cancelled),
                Woken::Done(Watched::Turn(next)) => {
                    slot = Some(next);
                    place = None;
                    self.show_running(None);
                    control.resume_for(std::mem::take(&mut resumed_by));
                }
                Woken::Command(JobCommand::Cancel) => {
                    cancelled = true;
                    control.cancel();
                }
                Woken::Command(JobCommand::Pause(by)) => {
                    control.pause_for(by);
                    // Another job may use the slot meanwhile.
                    slot = None;
                    place = None;
                    self.show_running(Some("a resume request"));
                }
                Woken::Command(JobCommand::Resume(by)) => {
                    resumed_by = by;
                    if slot.is_none() && place.is_none() {
                        place = Some(self.shared.slots.enter(self.ticket));
                        self.show_running(Some("a free slot"));
                    }
                }
                Woken::Closing => {
                    let result = drain(&control, finish.as_mut()).await;
                    return (result, cancelled);
                }
            }
        }
    }

    /// Waits, without a slot, until calls go on; during an outage for as long as the settings allow.
    async fn interrupted(&mut self, reason: &str, goes_on_at: Option<u64>) -> JobStep {
        // A worker of an earlier version says it in words.
        if let Some(goes_on_at) = goes_on_at.or_else(|| end_of_day_in(reason)) {
            if !self.keeps_job().await {
                return JobStep::Leave;
            }
            // No outage: it is known when it ends.
            let pause = self.shared.settings.outage.pause_until(goes_on_at);
            let micros = i64::try_from(goes_on_at.saturating_mul(1_000_000));
            let at = Timestamp(micros.unwrap_or(i64::MAX));
            let why = format!("{at}, when calls go on ({reason})");
            return JobStep::Wait { pause, why };
        }
        let summary = self.shared.store.run(&self.job).await;
        let executed = summary.map_or(0, |run| {
            run.summary.counters.total_rollouts + run.summary.counters.reflection_calls
        });
        let settings = &self.shared.settings.outage;
        match self.outage.pause(executed, Instant::now(), settings) {
            Some(pause) => {
                if !self.keeps_job().await {
                    return JobStep::Leave;
                }
                let seconds = pause.as_secs();
                let why =
                    format!("the end of an outage ({reason}); the next try is in {seconds} s");
                JobStep::Wait { pause, why }
            }
            None => JobStep::End(StopReason::Outage {
                minutes: settings.allowed.as_secs() / 60,
                message: reason.to_owned(),
            }),
        }
    }

    /// Keeps the job for this engine while it waits; `false` if another engine has it.
    async fn keeps_job(&self) -> bool {
        let Some(fleet) = &self.shared.fleet else {
            return true;
        };
        let kept = fleet.keep(&self.job).await;
        !matches!(kept, Err(StoreError::Claimed { .. }))
    }

    async fn end(&mut self, reason: StopReason) -> JobStep {
        match abandon(&*self.shared.store, &self.job, reason.clone()).await {
            Ok(()) => JobStep::Leave,
            Err(error) => {
                tracing::error!(job = %self.job, %error, "cannot end a job");
                let pause = CLAIM_PAUSE;
                let why = format!("the store, to end the job: {error}");
                self.show(|state| state.waiting_for = Some(why));
                match self.woken(tokio::time::sleep(pause)).await {
                    Woken::Closing => JobStep::Leave,
                    _ => JobStep::End(reason),
                }
            }
        }
    }

    /// Waits for `future`, a command, or the server's end.
    async fn woken<T>(&mut self, future: impl Future<Output = T>) -> Woken<T> {
        if *self.closing.borrow() {
            return Woken::Closing;
        }
        tokio::select! {
            done = future => Woken::Done(done),
            Some(command) = self.commands.recv() => Woken::Command(command),
            _ = self.closing.changed() => Woken::Closing,
        }
    }

    fn show_running(&self, waiting_for: Option<&str>) {
        self.show(|state| {
            state.running.clone_from(&self.prepared);
            state.waiting_for = waiting_for.map(str::to_owned);
            state.control.clone_from(&self.control);
        });
    }

    fn show(&self, change: impl FnOnce(&mut JobState)) {
        let mut state = self.state.lock();
        *state = JobState::default();
        change(&mut state);
    }
}

/// What can happen while a run is watched.
enum Watched {
    Finished(Box<Result<RunResult, RunError>>),
    Turn(Slot),
}

async fn turn(place: Option<&QueuePlace>) -> Slot {
    match place {
        Some(place) => place.slot().await,
        None => std::future::pending().await,
    }
}

async fn drain(
    control: &RunControl,
    mut finish: std::pin::Pin<&mut impl Future<Output = Result<RunResult, RunError>>>,
) -> Result<RunResult, RunError> {
    control.interrupt("the server is shutting down");
    let drained = tokio::time::timeout(DRAIN, finish.as_mut()).await;
    if let Ok(result) = drained {
        return result;
    }
    control.abort("the server is shutting down");
    finish.await
}

fn unusable(error: &RunError) -> JobStep {
    JobStep::End(StopReason::Unusable {
        message: error.to_string(),
    })
}
