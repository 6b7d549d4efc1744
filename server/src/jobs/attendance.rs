//! One job, from its queueing to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use gepa_engine::{
    RunControl, RunEnd, RunError, RunHandle, RunId, RunResult, StopReason, StoreError, abandon,
};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::outage::Outage;
use super::slots::{Place, Slot};
use super::source::PreparedJob;
use super::supervisor::{JobCommand, Shared};

/// How often a run that another process works on is looked at.
const CLAIM_PAUSE: Duration = Duration::from_secs(2);
/// Calls in flight get this long when the server ends; then they are dropped.
const DRAIN: Duration = Duration::from_secs(10);

/// What others see of a job's progress through this module.
#[derive(Debug, Default)]
pub(super) struct Condition {
    pub(super) is_queued: bool,
    /// What runs, while it does.
    running: Option<PreparedJob>,
    waiting_for: Option<String>,
}

impl Condition {
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// What the job waits for: its turn, or what is down, where the job or a call of it waits.
    pub(super) fn waiting_for(&self) -> Option<String> {
        let of_calls = || {
            let running = self.running.as_ref()?;
            let policy = running.evaluator.obstacle();
            policy.or_else(|| running.reflection_model.obstacle())
        };
        self.waiting_for.clone().or_else(of_calls)
    }
}

/// The task that owns a job.
pub(super) struct Attendance {
    shared: Arc<Shared>,
    job: RunId,
    ticket: u64,
    /// Found paused, and nobody has asked to go on.
    is_paused: bool,
    prepared: Option<PreparedJob>,
    commands: mpsc::UnboundedReceiver<JobCommand>,
    condition: Arc<Mutex<Condition>>,
    closing: watch::Receiver<bool>,
    outage: Outage,
}

/// What comes next.
enum Step {
    /// Wait for a slot.
    Queue,
    /// Wait for someone to ask that the job go on.
    Rest,
    /// Start or resume.
    Begin(Slot),
    /// Wait before another attempt.
    Wait { pause: Duration, why: String },
    /// The job is over for good.
    End(StopReason),
    /// Nothing more to do here.
    Leave,
}

/// What came of waiting.
enum Woken<T> {
    Done(T),
    Command(JobCommand),
    Closing,
}

impl Attendance {
    #[expect(clippy::too_many_arguments, reason = "it is put together in one place")]
    pub(super) fn new(
        shared: Arc<Shared>,
        job: RunId,
        ticket: u64,
        is_paused: bool,
        prepared: Option<PreparedJob>,
        commands: mpsc::UnboundedReceiver<JobCommand>,
        condition: Arc<Mutex<Condition>>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        condition.lock().is_queued = !is_paused;
        Self {
            shared,
            job,
            ticket,
            is_paused,
            prepared,
            commands,
            condition,
            closing,
            outage: Outage::default(),
        }
    }

    /// Works until the job is over or the server ends.
    pub(super) async fn work(mut self) {
        let mut step = if self.is_paused {
            Step::Rest
        } else {
            Step::Queue
        };
        loop {
            step = match step {
                Step::Queue => self.queue().await,
                Step::Rest => self.rest().await,
                Step::Begin(slot) => self.begin(slot).await,
                Step::Wait { pause, why } => self.wait(pause, why).await,
                Step::End(reason) => self.end(reason).await,
                Step::Leave => return,
            };
        }
    }

    async fn queue(&mut self) -> Step {
        // Entered before the first wait, so that the order is that of the tickets.
        let place = self.shared.slots.enter(self.ticket);
        self.show(|condition| {
            condition.is_queued = true;
            condition.waiting_for = Some("a free slot".to_owned());
        });
        loop {
            match self.woken(place.slot()).await {
                Woken::Done(slot) => return Step::Begin(slot),
                Woken::Command(JobCommand::Cancel) => return Step::End(StopReason::Cancelled),
                Woken::Command(_) => {}
                Woken::Closing => return Step::Leave,
            }
        }
    }

    async fn rest(&mut self) -> Step {
        self.show(|condition| condition.waiting_for = Some("someone to resume it".to_owned()));
        loop {
            match self.woken(std::future::pending::<()>()).await {
                Woken::Command(JobCommand::Cancel) => return Step::End(StopReason::Cancelled),
                Woken::Command(JobCommand::Resume) => {
                    self.is_paused = false;
                    return Step::Queue;
                }
                Woken::Command(JobCommand::Pause) | Woken::Done(()) => {}
                Woken::Closing => return Step::Leave,
            }
        }
    }

    async fn wait(&mut self, pause: Duration, why: String) -> Step {
        self.show(|condition| condition.waiting_for = Some(why));
        let mut sleep = pin!(tokio::time::sleep(pause));
        loop {
            match self.woken(&mut sleep).await {
                Woken::Done(()) => return Step::Queue,
                Woken::Command(JobCommand::Cancel) => return Step::End(StopReason::Cancelled),
                Woken::Command(_) => {}
                Woken::Closing => return Step::Leave,
            }
        }
    }

    async fn begin(&mut self, slot: Slot) -> Step {
        let started = match self.resumed().await {
            Ok(started) => started,
            Err(RunError::Store(StoreError::Claimed { holder, .. })) => {
                let why = format!("{holder}, which works on it");
                return Step::Wait {
                    pause: CLAIM_PAUSE,
                    why,
                };
            }
            Err(error @ RunError::Store(_)) => return self.interrupted(&error.to_string()).await,
            Err(error) => return unusable(&error),
        };
        let Some(handle) = started else {
            return Step::Leave;
        };
        self.show_running(None);
        let (result, cancelled) = self.watch(handle, slot).await;
        match result {
            Ok(result) => match result.end {
                RunEnd::Interrupted { .. } if cancelled => Step::End(StopReason::Cancelled),
                RunEnd::Interrupted {
                    reason,
                    provider_down: true,
                } => self.interrupted(&reason).await,
                // Finished, or interrupted because the server ends.
                _ => Step::Leave,
            },
            Err(error @ RunError::Diverged { .. }) => unusable(&error),
            Err(error) => self.interrupted(&error.to_string()).await,
        }
    }

    /// The run taken up where it stands; `None` if it is over.
    async fn resumed(&mut self) -> Result<Option<RunHandle>, RunError> {
        let run = self.shared.store.run(&self.job).await?;
        if run.summary.status.is_terminal() {
            return Ok(None);
        }
        if self.prepared.is_none() {
            match self.shared.source.stored(&run).await {
                Ok(prepared) => self.prepared = Some(prepared),
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
                    return Ok(None);
                }
            }
        }
        let Some(prepared) = &self.prepared else {
            return Ok(None);
        };
        let builder = prepared.builder(&self.shared.store);
        let handle = builder.resume(self.job.clone()).await?;
        if run.summary.paused {
            handle.control().resume();
        }
        Ok(Some(handle))
    }

    /// Waits for the run's end, passing commands on; whether it was to be cancelled.
    async fn watch(
        &mut self,
        handle: RunHandle,
        slot: Slot,
    ) -> (Result<RunResult, RunError>, bool) {
        let control = handle.control();
        let mut finish = pin!(handle.finish());
        let mut slot = Some(slot);
        let mut place: Option<Place> = None;
        let mut cancelled = false;
        loop {
            let event = self.woken(async {
                tokio::select! {
                    result = &mut finish => Passed::Finished(Box::new(result)),
                    slot = turn(place.as_ref()) => Passed::Turn(slot),
                }
            });
            match event.await {
                Woken::Done(Passed::Finished(result)) => return (*result, cancelled),
                Woken::Done(Passed::Turn(next)) => {
                    slot = Some(next);
                    place = None;
                    self.show_running(None);
                    control.resume();
                }
                Woken::Command(JobCommand::Cancel) => {
                    cancelled = true;
                    control.cancel();
                }
                Woken::Command(JobCommand::Pause) => {
                    control.pause();
                    // Others may run meanwhile.
                    slot = None;
                    place = None;
                    self.show_running(Some("someone to resume it"));
                }
                Woken::Command(JobCommand::Resume) => {
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

    /// What is down is waited for, without a slot, for as long as the settings allow.
    async fn interrupted(&mut self, reason: &str) -> Step {
        let summary = self.shared.store.run(&self.job).await;
        let executed = summary.map_or(0, |run| {
            run.summary.counters.total_rollouts + run.summary.counters.reflection_calls
        });
        let settings = &self.shared.settings.outage;
        match self.outage.pause(executed, Instant::now(), settings) {
            Some(pause) => {
                let seconds = pause.as_secs();
                let why = format!("what is down ({reason}); the next try is in {seconds} s");
                Step::Wait { pause, why }
            }
            None => Step::End(StopReason::Outage {
                minutes: settings.allowed.as_secs() / 60,
                message: reason.to_owned(),
            }),
        }
    }

    async fn end(&mut self, reason: StopReason) -> Step {
        match abandon(&*self.shared.store, &self.job, reason.clone()).await {
            Ok(()) => Step::Leave,
            Err(error) => {
                tracing::error!(job = %self.job, %error, "cannot end a job");
                let pause = CLAIM_PAUSE;
                let why = format!("the store, to end the job: {error}");
                self.show(|condition| condition.waiting_for = Some(why));
                match self.woken(tokio::time::sleep(pause)).await {
                    Woken::Closing => Step::Leave,
                    _ => Step::End(reason),
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
        self.show(|condition| {
            condition.running.clone_from(&self.prepared);
            condition.waiting_for = waiting_for.map(str::to_owned);
        });
    }

    fn show(&self, change: impl FnOnce(&mut Condition)) {
        let mut condition = self.condition.lock();
        *condition = Condition::default();
        change(&mut condition);
    }
}

/// What can happen to a run under way.
enum Passed {
    Finished(Box<Result<RunResult, RunError>>),
    Turn(Slot),
}

async fn turn(place: Option<&Place>) -> Slot {
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

fn unusable(error: &RunError) -> Step {
    Step::End(StopReason::Unusable {
        message: error.to_string(),
    })
}
