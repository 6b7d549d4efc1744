//! Starts the first work of the queue: batches of rollouts in free slots, and reflections beside
//! them.

use std::sync::Arc;

use gepa_evaluation::{RolloutRequest, TrialBatch, UsageBound};
use tracing::Instrument;

use super::Dispatcher;
use crate::ids::Timestamp;
use crate::run::call::{Answer, BatchCall, Call};
use crate::run::in_flight::InFlightCall;
use crate::run::reflection::{ReflectionCall, propose};
use crate::run::spend::{Admission, CallKind};

impl Dispatcher {
    /// Starts the first rollouts of the queue. A batch holds as many rollouts of one trial as the
    /// batch size, the free slots and the budget allow. Returns whether it started any.
    pub(super) fn start_batch(&mut self) -> bool {
        let Some((batch, calls)) = self.next_batch() else {
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

    fn next_batch(&mut self) -> Option<(TrialBatch, Vec<Option<InFlightCall>>)> {
        let now = Timestamp::now();
        let most = self.largest_batch.min(self.free_slots);
        let mut batch: Option<TrialBatch> = None;
        let mut calls = Vec::new();
        while calls.len() < most
            && let Some((key, mut job)) = self.queue.pop_first()
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
                self.queue.insert(key, job);
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
