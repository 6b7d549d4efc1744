//! Starts the first work of the queue: batches of rollouts in free slots, and reflections beside
//! them.

use std::sync::Arc;

use gepa_evaluation::{RolloutRequest, TrialBatch, UsageBound};
use tracing::Instrument;

use super::Dispatcher;
use crate::ids::Timestamp;
use crate::run::call::{Answer, BatchCall, Call, RolloutCall};
use crate::run::in_flight::InFlightCall;
use crate::run::reflection::{ReflectionCall, propose};
use crate::run::spend::{Admission, CallKind};

impl Dispatcher {
    /// Starts the queued rollouts that fit into free slots and into the budget.
    pub(super) fn start_rollouts(&mut self) {
        let mut now = None;
        while self.free_slots > 0 && !self.queue.is_empty() && !self.waits_for_first() {
            let started = *now.get_or_insert_with(Timestamp::now);
            if self.largest_batch > 1 {
                if !self.start_batch(started) {
                    return;
                }
            } else if let Some(ended) = self.start_rollout(started) {
                // The next rollout starts when this one ends, so the clock need not be read again.
                now = Some(ended);
            } else {
                return;
            }
        }
    }

    /// Starts the first rollout of the queue. Returns the time after that; `None` if the budget
    /// does not allow it.
    fn start_rollout(&mut self, now: Timestamp) -> Option<Timestamp> {
        let (place, mut job) = self.queue.pop()?;
        job.attempt += 1;
        let request = self.request(&job);
        let Some(granted) = self.admit_rollout(&request) else {
            job.attempt -= 1;
            self.queue.put_back(place, job);
            return None;
        };
        job.started_at.get_or_insert(now);
        self.free_slots -= 1;
        let span = tracing::debug_span!(
            "rollouts",
            trial = %request.trial_id,
            first = %request.example,
            count = 1,
            attempt = request.attempt
        );
        let flying = InFlightCall {
            call: Call::Rollout(job),
            granted,
        };
        let evaluator = Arc::clone(&self.evaluator);
        let mut call = RolloutCall::new(evaluator, request, self.timeout, span);
        let at_once = self.pace.is_instant().then(|| call.try_at_once()).flatten();
        if let Some(answer) = at_once {
            let ended = Timestamp::now();
            self.in_flight.finish_one(flying, answer, ended);
            return Some(ended);
        }
        let work = async move { vec![(0, call.finish().await)] };
        self.in_flight.start(vec![Some(flying)], work);
        Some(now)
    }

    /// Starts the first rollouts of the queue. A batch holds as many rollouts of one trial as the
    /// batch size, the free slots and the budget allow. Returns whether it started any.
    fn start_batch(&mut self, now: Timestamp) -> bool {
        let Some((batch, calls)) = self.next_batch(now) else {
            return false;
        };
        self.free_slots -= calls.len();
        let span = tracing::debug_span!(
            "rollouts",
            trial = %batch.trial_id,
            first = %batch.examples[0],
            count = calls.len(),
            attempt = batch.attempt
        );
        let evaluator = Arc::clone(&self.evaluator);
        let mut call = BatchCall::new(evaluator, batch, self.timeout, span);
        let at_once = self.pace.is_instant().then(|| call.try_at_once()).flatten();
        if let Some(answered) = at_once {
            self.in_flight.finish(calls, answered);
        } else {
            let reporting = self.in_flight.reporting();
            self.in_flight.start(calls, call.finish(reporting));
        }
        true
    }

    fn next_batch(&mut self, now: Timestamp) -> Option<(TrialBatch, Vec<Option<InFlightCall>>)> {
        let most = self.largest_batch.min(self.free_slots);
        let mut batch: Option<TrialBatch> = None;
        let mut calls = Vec::new();
        while calls.len() < most
            && let Some((place, mut job)) = self.queue.pop()
        {
            job.attempt += 1;
            let request = self.request(&job);
            let fits = batch.as_ref().is_none_or(|batch| {
                batch.trial_id == request.trial_id && batch.attempt == request.attempt
            });
            let granted = if fits {
                self.admit_rollout(&request)
            } else {
                None
            };
            let Some(granted) = granted else {
                job.attempt -= 1;
                self.queue.put_back(place, job);
                break;
            };
            job.started_at.get_or_insert(now);
            let call = Call::Rollout(job);
            calls.push(Some(InFlightCall { call, granted }));
            match &mut batch {
                Some(batch) => batch.examples.push(request.example),
                None => batch = Some(request.into()),
            }
        }
        Some((batch?, calls))
    }

    fn admit_rollout(&mut self, request: &RolloutRequest) -> Option<UsageBound> {
        let bound = self
            .spend
            .is_limited()
            .then(|| self.evaluator.usage_bound(request))
            .flatten();
        self.admit(CallKind::Rollout(request.stage), bound)
    }

    pub(super) fn start_reflection(&mut self) -> bool {
        let Some(call) = self.next_reflection() else {
            return false;
        };
        let request = call.request(self.run_id.shared());
        let bound = self
            .spend
            .is_limited()
            .then(|| self.proposer.usage_bound(&request))
            .flatten();
        let Some(granted) = self.admit(CallKind::Reflection, bound) else {
            for work in call.into_works().into_iter().rev().map(Box::new) {
                self.reflections.push_front(work);
            }
            return false;
        };
        self.free_reflections -= 1;
        let proposer = Arc::clone(&self.proposer);
        let (iteration, component) = (call.iteration(), &*request.components[0].name);
        let span = tracing::debug_span!("reflection", iteration, component);
        let call = Call::Reflection(call);
        let call = InFlightCall { call, granted };
        self.in_flight.start(vec![Some(call)], async move {
            let answer = propose(&*proposer, request).instrument(span).await;
            vec![(0, Answer::Reflection(answer))]
        });
        true
    }

    /// The first component of the queue, with the others of its proposal if one call can rewrite
    /// all.
    fn next_reflection(&mut self) -> Option<ReflectionCall> {
        let mut call = ReflectionCall::new(*self.reflections.pop_front()?);
        if self.proposer.takes_all_components() {
            while let Some(work) = self.reflections.pop_front_if(|work| call.goes_with(work)) {
                call.add(*work);
            }
        }
        Some(call)
    }

    fn admit(&mut self, kind: CallKind, bound: Option<UsageBound>) -> Option<UsageBound> {
        match self.spend.ask(kind, bound) {
            Admission::Granted(granted) => Some(granted),
            Admission::Later => None,
            Admission::Exhausted => {
                self.exhausted = true;
                None
            }
        }
    }
}
