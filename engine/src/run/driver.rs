//! The task that owns a run. A fact is journaled before the core decides on it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc};
use tokio::task;
use tokio::time::Instant;

use super::dispatch::Dispatcher;
use super::error::RunError;
use super::facts::DispatchOutcome;
use super::handle::Command;
use super::journal::Journal;
use super::known::recalled;
use super::limits_watch::LimitsWatch;
use super::result::RunEnd;
use super::steering::Awaited;
use crate::config::Config;
use crate::core::{Core, Steering, Work};
use crate::event::{Event, EventBody, Fact, RunInterrupted, SteeredBy, StopRequested};
use crate::ids::{RunId, Timestamp};
use crate::replay::Recorded;
use crate::stop::StopReason;
use crate::store::StoreError;
use crate::telemetry;

/// The time between two looks at the clock, where a time limit is set.
const CLOCK_TICK: Duration = Duration::from_millis(100);

/// The time between two looks at the limits on model calls.
const LIMITS_TICK: Duration = Duration::from_secs(1);

/// The work of one process on one run.
pub(super) struct Driver {
    pub(super) run_id: RunId,
    pub(super) config: Arc<Config>,
    pub(super) core: Core,
    pub(super) journal: Journal,
    pub(super) dispatcher: Dispatcher,
    pub(super) events: broadcast::Sender<Arc<[Event]>>,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) clock: Clock,
    pub(super) limits_watch: LimitsWatch,
    /// Whether orders wait until the resumption itself is journaled.
    pub(super) resuming: bool,
    /// Whether other limits are being journaled. A run that is over may go on under them.
    pub(super) changing_limits: bool,
    pub(super) ending: Option<Ending>,
    /// Acts of people whose facts are not stored yet.
    pub(super) awaited: Vec<Awaited>,
    /// Changes of limits that wait for the calls of the final scoring in flight.
    pub(super) held: Vec<(Steering, Awaited)>,
    /// Who requested the stop that is coming.
    pub(super) stopped_by: SteeredBy,
    /// The outcomes that the runs bought from which this run branches, the nearest first.
    pub(super) origins: Vec<Recorded>,
}

/// The clock that counts the working time of a run.
#[derive(Debug)]
pub(super) struct Clock {
    pub(super) limit_seconds: Option<f64>,
    /// Seconds for which earlier processes worked on the run.
    pub(super) earlier_seconds: f64,
    pub(super) began: Instant,
    /// Seconds for which this process was paused, in pauses that are over.
    pub(super) paused_seconds: f64,
    /// When the present pause began; `None` if the run is not paused.
    pub(super) paused_since: Option<Instant>,
}

/// An end that waits for the calls in flight.
#[derive(Debug)]
pub(super) enum Ending {
    /// Journal the request, then go on to the final scoring.
    Stop(StopReason),
    /// The request is being journaled.
    Stopping,
    /// Journal the interruption, then leave.
    Interrupt(RunInterrupted),
    /// The interruption is being journaled.
    Leaving(RunInterrupted),
}

impl Clock {
    /// Seconds of work, without pauses.
    pub(super) fn elapsed_seconds(&self) -> f64 {
        let until = self.paused_since.unwrap_or_else(Instant::now);
        let seconds = until.saturating_duration_since(self.began).as_secs_f64();
        self.earlier_seconds + seconds - self.paused_seconds
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused_since.is_some()
    }

    pub(super) fn pause(&mut self) {
        self.paused_since = Some(Instant::now());
    }

    pub(super) fn go_on(&mut self) {
        if let Some(since) = self.paused_since.take() {
            self.paused_seconds += since.elapsed().as_secs_f64();
        }
    }

    fn is_up(&self) -> bool {
        self.limit_seconds
            .is_some_and(|limit| self.elapsed_seconds() >= limit)
    }
}

impl Driver {
    /// Works until the run is over or interrupted, or until `lost` reports another owner.
    pub(super) async fn work(
        mut self,
        lost: impl Future<Output = StoreError>,
    ) -> Result<RunEnd, RunError> {
        let mut lost = pin!(lost);
        let mut tick = tokio::time::interval(CLOCK_TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut limits_tick = tokio::time::interval_at(Instant::now() + LIMITS_TICK, LIMITS_TICK);
        limits_tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut commands_open = true;
        loop {
            self.start();
            self.catch_up().await;
            self.end_if_hopeless();
            self.end_if_exhausted();
            self.take_up_held();
            self.proceed_with_ending();
            self.journal.write();
            if let Some(end) = self.end() {
                return Ok(end);
            }
            let writing = self.journal.is_writing();
            let has_clock = self.clock.limit_seconds.is_some();
            tokio::select! {
                written = self.journal.written(), if writing => match written {
                    Ok(batch) => self.decide_on(&batch),
                    Err(error @ StoreError::ClaimLost { .. }) => return Ok(self.leave_to(&error)),
                    Err(error) => return Err(error.into()),
                },
                error = &mut lost => return Ok(self.leave_to(&error)),
                returned = self.dispatcher.returned() => {
                    self.take_in(returned);
                    self.take_in_more();
                }
                command = self.commands.recv(), if commands_open => match command {
                    Some(command) => self.obey(command),
                    None => commands_open = false,
                },
                _ = tick.tick(), if has_clock => self.look_at_clock(),
                _ = limits_tick.tick() => self.look_at_limits(),
            }
        }
    }

    /// Another process owns the run. Nothing can be journaled any more, so everything in flight is
    /// dropped; the new owner orders it again.
    fn leave_to(&mut self, loss: &StoreError) -> RunEnd {
        self.dispatcher.abort();
        tracing::warn!(run = %self.run_id, %loss, "claim lost");
        RunEnd::Interrupted {
            reason: loss.to_string(),
            provider_down: false,
            goes_on_at: None,
        }
    }

    /// Starts the work that fits. A final scoring that began while other limits are being journaled waits for
    /// them, because they may end it.
    fn start(&mut self) {
        if !(self.changing_limits && self.core.is_validating()) {
            self.dispatcher.start();
        }
    }

    /// Processes the calls that are over and starts new work, until no further call is over at
    /// once, so that one write holds as many events as possible.
    async fn catch_up(&mut self) {
        while self.journal.has_room() && self.take_in_more() {
            self.start();
            // Rollouts that take no time must not keep this thread busy for long.
            task::yield_now().await;
        }
    }

    /// Processes the calls that are over already. Returns whether there were any.
    fn take_in_more(&mut self) -> bool {
        let mut any = false;
        while let Some(more) = self.dispatcher.try_returned() {
            self.take_in(more);
            any = true;
        }
        any
    }

    fn take_in(&mut self, returned: DispatchOutcome) {
        match returned {
            DispatchOutcome::Fact(fact) => self.journal.push(fact),
            DispatchOutcome::Facts(facts) => {
                for fact in facts {
                    self.journal.push(fact);
                }
            }
            DispatchOutcome::ProviderDown {
                reason,
                goes_on_at,
                attempts,
            } => {
                if let Some(fact) = attempts {
                    self.journal.push(fact);
                }
                self.end_soon(Ending::Interrupt(RunInterrupted {
                    reason,
                    provider_down: true,
                    goes_on_at,
                }));
            }
            DispatchOutcome::Nothing => {}
        }
    }

    /// A batch is stored. Subscribers may now see it, and the core may decide on its facts.
    fn decide_on(&mut self, batch: &Arc<[Event]>) {
        telemetry::count(batch);
        for event in batch.iter() {
            if let EventBody::Fact(fact) = &event.body {
                self.core.settle(fact);
                if let Fact::LimitsChanged(_) = fact {
                    self.limit_calls();
                }
            }
        }
        Awaited::answer(&mut self.awaited, batch);
        // It is no error if the batch has no subscriber.
        let _ = self.events.send(Arc::clone(batch));
        let now = Timestamp::now();
        for answer in self.core.take_answers() {
            self.journal.push_at(answer, now);
        }
        for decision in self.core.take_decisions() {
            self.journal.push_at(decision, now);
        }
        let orders = self.core.take_work();
        let resumed = batch
            .iter()
            .any(|event| matches!(event.body, EventBody::Fact(Fact::RunResumed(_))));
        if self.resuming && resumed {
            self.resuming = false;
            let outstanding = self.core.outstanding();
            self.order_all(outstanding);
        } else if !self.resuming {
            self.order_all(orders);
        }
        self.go_on_after_stop(batch);
        if self.core.has_failed()
            && let Some(reason) = self.core.stop_reason().cloned()
        {
            self.end_soon(Ending::Stop(reason));
        }
        telemetry::gauge(self.core.archive());
    }

    fn limit_calls(&mut self) {
        let limits = self.core.limits();
        self.dispatcher
            .limit_to(limits, self.core.validation_ahead());
        self.clock.limit_seconds = limits.max_seconds;
        self.changing_limits = false;
    }

    /// After the decision to stop, the orders of the final scoring may start.
    fn go_on_after_stop(&mut self, batch: &[Event]) {
        let stopped = batch
            .iter()
            .any(|event| matches!(event.body, EventBody::Fact(Fact::StopRequested(_))));
        if stopped && matches!(self.ending, Some(Ending::Stopping)) {
            self.ending = None;
            if !self.clock.is_up() {
                self.dispatcher.open();
            }
        }
    }

    pub(super) fn order_all(&mut self, orders: Vec<Work>) {
        for order in orders {
            if let Work::Rollout(work) = &order
                && let Some(fact) = recalled(&self.origins, work)
            {
                self.journal.push(fact);
                continue;
            }
            for fact in self.dispatcher.order(order) {
                self.journal.push(fact);
            }
        }
    }

    /// Sets how the run ends. An interruption replaces a stop, and a cancellation replaces both. Of
    /// each kind the first counts.
    pub(super) fn end_soon(&mut self, ending: Ending) {
        let cancels = matches!(&ending, Ending::Stop(StopReason::Cancelled));
        let interrupts = matches!(&ending, Ending::Interrupt(_));
        let replaces = match &self.ending {
            None => true,
            Some(Ending::Stop(StopReason::Cancelled) | Ending::Leaving(_)) => false,
            Some(Ending::Stop(_) | Ending::Stopping) => cancels || interrupts,
            Some(Ending::Interrupt(_)) => cancels,
        };
        let is_over = self.core.is_finished() && !self.changing_limits;
        if is_over || !replaces {
            return;
        }
        for fact in self.dispatcher.close() {
            self.journal.push(fact);
        }
        if interrupts {
            self.dispatcher.stop_waiting();
        }
        self.ending = Some(ending);
    }

    fn proceed_with_ending(&mut self) {
        if !self.dispatcher.is_idle() || !self.journal.is_settled() {
            return;
        }
        // The calls in flight may have been the last ones of the run. Its end then stands in the journal,
        // and nothing comes after it.
        if self.core.is_finished() {
            return;
        }
        match self.ending.take() {
            Some(Ending::Stop(reason)) => {
                let by = std::mem::take(&mut self.stopped_by);
                self.journal
                    .push(Fact::StopRequested(StopRequested { reason, by }));
                self.ending = Some(Ending::Stopping);
            }
            Some(Ending::Interrupt(interrupted)) => {
                self.journal.push(Fact::RunInterrupted(interrupted.clone()));
                self.ending = Some(Ending::Leaving(interrupted));
            }
            other => self.ending = other,
        }
    }

    fn end(&mut self) -> Option<RunEnd> {
        if !self.journal.is_settled() {
            return None;
        }
        if self.core.is_finished() {
            let summary = self
                .core
                .stop_reason()
                .cloned()
                .unwrap_or(StopReason::Requested);
            return Some(RunEnd::Finished(summary));
        }
        match self.ending.take() {
            Some(Ending::Leaving(interrupted)) => Some(RunEnd::Interrupted {
                reason: interrupted.reason,
                provider_down: interrupted.provider_down,
                goes_on_at: interrupted.goes_on_at,
            }),
            other => {
                self.ending = other;
                None
            }
        }
    }

    fn end_if_hopeless(&mut self) {
        if let Some(reason) = self.dispatcher.hopeless()
            && self.ending.is_none()
            && !self.core.has_failed()
            && self.core.stop_reason().is_none()
        {
            self.end_soon(Ending::Stop(reason));
        }
    }

    fn end_if_exhausted(&mut self) {
        if let Some(reason) = self.dispatcher.exhausted()
            && self.ending.is_none()
        {
            self.end_soon(Ending::Stop(reason));
        }
    }

    /// Journals the limits on model calls, if they have changed. Nothing comes after the entry that ends
    /// the run or this process's work on it.
    fn look_at_limits(&mut self) {
        if self.resuming || self.ending.is_some() || self.core.is_finished() {
            return;
        }
        let limits = self.dispatcher.call_limits();
        let seconds = self.clock.elapsed_seconds();
        if let Some(noted) = self.limits_watch.look(&limits, seconds) {
            self.journal.push(Fact::CallLimitsNoted(noted));
            self.limits_watch.noted_as(self.journal.last());
        }
    }

    fn look_at_clock(&mut self) {
        let Some(limit_seconds) = self.clock.limit_seconds else {
            return;
        };
        let elapsed = self.clock.elapsed_seconds();
        let reason = StopReason::TimeBudget { limit_seconds };
        if self.clock.is_up() {
            // The limit is strict: everything in flight now is dropped.
            self.dispatcher.abort();
            self.end_soon(Ending::Stop(reason));
        } else if !self.core.is_validating() {
            let slots = f64::from(self.config.settings().run.max_concurrent);
            let rollouts = self.config.validation_rollouts() as f64;
            let mean = self.dispatcher.mean_rollout_seconds();
            // Calls in flight end first, and this look at the clock may come up to one tick too
            // early.
            let rounds = (rollouts / slots).ceil() + 1.0;
            let margin = 2.0 * CLOCK_TICK.as_secs_f64();
            let validation = if rollouts > 0.0 {
                rounds * mean * 1.5 + margin
            } else {
                0.0
            };
            if elapsed + validation >= limit_seconds {
                self.end_soon(Ending::Stop(reason));
            }
        }
    }
}
