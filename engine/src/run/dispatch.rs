//! The pool of slots for the rollouts of all proposals, and the reflections beside it.

mod queue;
mod starting;

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use gepa_evaluation::{
    CallLimit, Evaluation, Evaluator, FailureKind, Outcome, Proposer, RolloutRequest, Usage,
};
use tokio::time::Instant;

use super::call::{Answer, Call};
use super::facts::{DispatchOutcome, Earlier, RolloutJob};
use super::in_flight::{FinishedCall, InFlight};
use super::pace::Pace;
use super::reflection::usage_of;
use super::spend::{CallKind, SpendLimiter, believed};
use super::trouble::{Opening, are_alike};
use crate::config::{BudgetSettings, Settings};
use crate::core::{Priority, ReflectionWork, ValidationAhead, Work};
use crate::event::{Fact, RolloutsDropped};
use crate::ids::{RunId, Timestamp, TrialKey};
use crate::stop::StopReason;
use queue::Queue;

/// The longest pause between two attempts of a rollout.
const MAX_BACKOFF: Duration = Duration::from_mins(1);

/// Starts work in free slots and turns answers into facts.
pub(super) struct Dispatcher {
    run_id: RunId,
    evaluator: Arc<dyn Evaluator>,
    /// The most rollouts in one batch.
    largest_batch: usize,
    proposer: Arc<dyn Proposer>,
    max_attempts: u32,
    timeout: Duration,
    backoff: Duration,
    /// The number of slots for rollouts.
    slots: usize,
    free_slots: usize,
    free_reflections: usize,
    spend: SpendLimiter,
    opening: Opening,
    queue: Queue,
    reflections: VecDeque<Box<ReflectionWork>>,
    in_flight: InFlight,
    /// Rollouts that wait before another attempt, by the time of that attempt; they hold no slot.
    resting: BTreeMap<(Instant, u64), RolloutJob>,
    /// The rollouts that have waited so far.
    rested: u64,
    flow: Flow,
    exhausted: bool,
    last_trial: Option<(TrialKey, Arc<str>)>,
    pace: Pace,
}

/// Whether the dispatcher starts work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Open,
    /// No work is started; queued work stays.
    Paused,
    /// No work is started, and rollouts that wait for another attempt are suspended.
    Closing,
}

impl Dispatcher {
    pub(super) fn new(
        run_id: RunId,
        evaluator: Arc<dyn Evaluator>,
        proposer: Arc<dyn Proposer>,
        settings: &Settings,
        spend: SpendLimiter,
        opening: Opening,
    ) -> Self {
        let largest_batch = evaluator
            .largest_batch()
            .map_or(usize::MAX, NonZeroUsize::get);
        Self {
            run_id,
            evaluator,
            largest_batch,
            proposer,
            max_attempts: settings.rollouts.max_attempts,
            timeout: Duration::from_secs_f64(settings.rollouts.timeout_seconds.min(1e9)),
            backoff: Duration::from_secs_f64(settings.rollouts.backoff_seconds.min(1e6)),
            slots: settings.run.max_concurrent as usize,
            free_slots: settings.run.max_concurrent as usize,
            free_reflections: settings.reflection.max_concurrent as usize,
            spend,
            opening,
            queue: Queue::new(),
            reflections: VecDeque::new(),
            in_flight: InFlight::new(),
            resting: BTreeMap::new(),
            rested: 0,
            flow: Flow::Open,
            exhausted: false,
            last_trial: None,
            pace: Pace::default(),
        }
    }

    /// Takes an order and returns the facts to journal at once.
    pub(super) fn order(&mut self, work: Work) -> Vec<Fact> {
        match work {
            Work::DropTrial(trial) => return self.drop_trial(trial),
            Work::Move(trial, priority) => self.move_trial(trial, priority),
            Work::Rollout(work) => self.queue.push(RolloutJob::new(work)),
            Work::Reflection(work) => self.reflections.push_back(work),
            Work::DropQueued => {
                self.queue.clear();
                self.resting.clear();
                self.reflections.clear();
            }
        }
        Vec::new()
    }

    /// Starts the work that fits into free slots and into the budget.
    pub(super) fn start(&mut self) {
        if self.flow != Flow::Open || self.exhausted || self.hopeless().is_some() {
            return;
        }
        while self.free_reflections > 0 && self.start_reflection() {}
        self.start_rollouts();
    }

    /// Whether the first rollout of the run is being tried. The others wait, because they would fail like it
    /// if the evaluator does not work.
    fn waits_for_first(&self) -> bool {
        self.opening.is_first() && (self.free_slots < self.slots || !self.resting.is_empty())
    }

    /// The reason to give up, if the first rollouts of the run all failed in the same way.
    pub(super) fn hopeless(&self) -> Option<StopReason> {
        self.opening.verdict()
    }

    /// Waits for a call to end, or for a rollout whose pause ends; pending forever if there is
    /// neither.
    pub(super) async fn returned(&mut self) -> DispatchOutcome {
        let next_rested = self.resting.keys().next().map(|(at, _)| *at);
        tokio::select! {
            finished = self.in_flight.next() => self.take_in(finished),
            () = rest_until(next_rested) => {
                self.enqueue_rested();
                DispatchOutcome::Nothing
            }
        }
    }

    /// Returns the outcome of a call that is over already, if there is one.
    pub(super) fn try_returned(&mut self) -> Option<DispatchOutcome> {
        let finished = self.in_flight.try_next()?;
        Some(self.take_in(finished))
    }

    /// Stops starting work; queued work stays.
    pub(super) fn pause(&mut self) {
        if self.flow == Flow::Open {
            self.flow = Flow::Paused;
        }
    }

    /// Starts work again.
    pub(super) fn open(&mut self) {
        self.flow = Flow::Open;
    }

    /// Stops starting work until it is opened again. Suspends rollouts that wait for another
    /// attempt, so that the cost of their attempts is journaled.
    pub(super) fn close(&mut self) -> Vec<Fact> {
        self.flow = Flow::Closing;
        self.exhausted = false;
        let now = Timestamp::now();
        let resting = std::mem::take(&mut self.resting).into_values();
        let attempted = self.queue.take_attempted().into_iter().chain(resting);
        attempted.filter_map(|job| job.suspended(now)).collect()
    }

    /// Ends the calls that have not been sent yet: those that wait in a queue or for the end of an
    /// outage.
    pub(super) fn stop_waiting(&self) {
        self.evaluator.stop_waiting();
        self.proposer.stop_waiting();
    }

    /// What the limits on model calls allow at this moment.
    pub(super) fn call_limits(&self) -> Vec<CallLimit> {
        CallLimit::of_all([self.evaluator.call_limits(), self.proposer.call_limits()])
    }

    /// Ends everything in flight without waiting.
    pub(super) fn abort(&mut self) {
        self.flow = Flow::Closing;
        self.in_flight.abort_all();
    }

    /// Applies other limits on tokens and cost; `validation` is what the final scoring still needs.
    pub(super) fn limit_to(&mut self, limits: &BudgetSettings, validation: ValidationAhead) {
        self.spend.limit_to(limits, validation);
        self.exhausted = false;
    }

    /// Whether no call is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// The reason to stop, once the budget for tokens or cost has refused a call for good.
    pub(super) fn exhausted(&self) -> Option<StopReason> {
        self.exhausted.then(|| self.spend.reason())
    }

    /// The mean time of a rollout, in seconds.
    pub(super) fn mean_rollout_seconds(&self) -> f64 {
        self.pace.mean_seconds()
    }

    /// Queues the rollouts whose pause has ended. Rollouts that failed together go on together.
    fn enqueue_rested(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.resting.first_entry()
            && entry.key().0 <= now
        {
            let job = entry.remove();
            if self.opening.is_first() {
                // The first rollouts are tried one after the other, each to its end.
                self.queue.push_front(job);
            } else {
                self.queue.push(job);
            }
        }
    }

    /// Removes a trial from the queue. Rollouts with attempts are settled; those without are
    /// dropped.
    fn drop_trial(&mut self, trial: TrialKey) -> Vec<Fact> {
        let queued = self.queue.take_trial(trial).into_iter();
        let resting = self
            .resting
            .extract_if(.., |_, job| job.work.trial == trial);
        let unwanted = queued.chain(resting.map(|(_, job)| job));
        let now = Timestamp::now();
        let mut facts = Vec::new();
        let mut positions = Vec::new();
        for job in unwanted {
            let position = job.work.position as u32;
            match job.given_up(now) {
                Some(fact) => facts.push(fact),
                None => positions.push(position),
            }
        }
        positions.sort_unstable();
        if !positions.is_empty() {
            facts.push(Fact::RolloutsDropped(RolloutsDropped { trial, positions }));
        }
        facts
    }

    fn move_trial(&mut self, trial: TrialKey, priority: Priority) {
        self.queue.move_trial(trial, priority);
        for job in self.resting.values_mut() {
            if job.work.trial == trial {
                job.work.priority = priority;
            }
        }
    }

    fn take_in(&mut self, finished: FinishedCall) -> DispatchOutcome {
        let FinishedCall {
            call,
            granted,
            answer,
            at,
            freed,
        } = finished;
        match call {
            Call::Rollout(job) => {
                self.free_slots += freed;
                let kind = CallKind::Rollout(job.work.stage);
                let Some(Answer::Rollout {
                    mut evaluation,
                    seconds,
                }) = answer
                else {
                    self.spend.settle(kind, granted, Usage::default());
                    return suspended(job, at);
                };
                self.pace.note(seconds);
                evaluation.usage = believed(evaluation.usage);
                evaluation.judge_usage = believed(evaluation.judge_usage);
                let spent = evaluation.usage + evaluation.judge_usage;
                self.spend.settle(kind, granted, spent);
                self.rollout_returned(job, evaluation, at)
            }
            Call::Reflection(call) => {
                self.free_reflections += 1;
                let kind = CallKind::Reflection;
                let Some(Answer::Reflection(answer)) = answer else {
                    self.spend.settle(kind, granted, Usage::default());
                    return DispatchOutcome::Nothing;
                };
                self.spend.settle(kind, granted, usage_of(&answer));
                call.settled(answer)
            }
        }
    }

    fn rollout_returned(
        &mut self,
        mut job: RolloutJob,
        evaluation: Evaluation,
        now: Timestamp,
    ) -> DispatchOutcome {
        let spent = job.spent(evaluation.usage, evaluation.judge_usage);
        let (usage, judge_usage) = spent;
        let outcome = evaluation.outcome.checked();
        if evaluation.provider_down {
            let (reason, goes_on_at) = match outcome {
                Outcome::Failed(failure) => (failure.message, failure.goes_on_at),
                Outcome::Scored(_) => ("the provider is down".to_owned(), None),
            };
            // The cost of the attempts is journaled. A rollout that cost nothing stays open.
            let is_free = usage.is_zero() && judge_usage.is_zero();
            job.earlier = (!is_free).then(|| {
                Box::new(Earlier {
                    usage,
                    judge_usage,
                    failure: Outcome::failed(FailureKind::Transient, reason.clone()),
                })
            });
            return DispatchOutcome::ProviderDown {
                reason,
                goes_on_at,
                attempts: job.suspended(now),
            };
        }
        let earlier = job.earlier.as_ref().map(|earlier| &earlier.failure);
        let is_repeated = match (&outcome, earlier) {
            (Outcome::Failed(failure), Some(earlier)) => are_alike(earlier, failure),
            _ => false,
        };
        let retry = job.attempt < self.max_attempts
            && matches!(&outcome, Outcome::Failed(failure) if failure.kind.is_retryable()
                && self.opening.may_retry(failure, is_repeated));
        if !retry {
            let fact = job.settled(outcome, spent, now);
            if let Fact::RolloutSettled(settled) = &fact {
                self.opening.note_settled(settled);
            }
            return DispatchOutcome::Fact(fact);
        }
        if let Outcome::Failed(failure) = &outcome {
            self.opening.note_attempt(failure);
        }
        job.earlier = Some(Box::new(Earlier {
            usage,
            judge_usage,
            failure: outcome,
        }));
        if self.flow == Flow::Closing {
            return suspended(job, now);
        }
        // A failure that repeats exactly is no overload, so a longer pause does not help.
        let doublings = if is_repeated {
            0
        } else {
            (job.attempt - 1).min(16)
        };
        let pause = (self.backoff * 2_u32.pow(doublings)).min(MAX_BACKOFF);
        self.rested += 1;
        self.resting
            .insert((Instant::now() + pause, self.rested), job);
        DispatchOutcome::Nothing
    }

    fn request(&mut self, job: &RolloutJob) -> RolloutRequest {
        let trial = job.work.trial;
        let trial_id = match &self.last_trial {
            Some((key, id)) if *key == trial => Arc::clone(id),
            _ => {
                let id: Arc<str> = trial.id(&self.run_id).into();
                self.last_trial = Some((trial, Arc::clone(&id)));
                id
            }
        };
        job.request(self.run_id.shared(), trial_id)
    }
}

fn suspended(job: RolloutJob, now: Timestamp) -> DispatchOutcome {
    let fact = job.suspended(now);
    fact.map_or(DispatchOutcome::Nothing, DispatchOutcome::Fact)
}

async fn rest_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
