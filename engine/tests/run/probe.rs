//! An evaluator that counts its calls, waits and fails as configured.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gepa_evaluation::{
    Evaluation, Evaluator, EvaluatorInfo, RolloutClock, RolloutRequest, Usage, UsageBound,
};

use crate::world::judge;

type Answer = dyn Fn(&RolloutRequest) -> Evaluation + Send + Sync;
type Delay = dyn Fn(&RolloutRequest) -> Duration + Send + Sync;

pub(crate) struct Probe {
    answer: Box<Answer>,
    delay: Box<Delay>,
    /// Whether the delay is that of a model call which waits for its provider.
    is_call_waiting: bool,
    bound: Option<UsageBound>,
    in_flight: AtomicUsize,
    peak: AtomicUsize,
    /// Calls that ran to their end, by trial and example.
    ended: Mutex<BTreeMap<(String, String), u32>>,
    begun: AtomicUsize,
}

impl Probe {
    pub(crate) fn new() -> Self {
        Self {
            answer: Box::new(|request| Evaluation::with_usage(judge(request), seven_tokens())),
            delay: Box::new(|_| Duration::ZERO),
            is_call_waiting: false,
            bound: None,
            in_flight: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            ended: Mutex::default(),
            begun: AtomicUsize::new(0),
        }
    }

    pub(crate) fn answering(
        mut self,
        answer: impl Fn(&RolloutRequest) -> Evaluation + Send + Sync + 'static,
    ) -> Self {
        self.answer = Box::new(answer);
        self
    }

    pub(crate) fn waiting(
        mut self,
        delay: impl Fn(&RolloutRequest) -> Duration + Send + Sync + 'static,
    ) -> Self {
        self.delay = Box::new(delay);
        self
    }

    pub(crate) fn while_a_call_waits(mut self) -> Self {
        self.is_call_waiting = true;
        self
    }

    pub(crate) fn bounded(mut self, bound: UsageBound) -> Self {
        self.bound = Some(bound);
        self
    }

    pub(crate) fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }

    /// The largest number of calls in flight at once.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::SeqCst)
    }

    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// The largest number of times that a call for the same trial and example ran to its end.
    pub(crate) fn most_repeated(&self) -> u32 {
        let ended = self.ended.lock().unwrap();
        ended.values().copied().max().unwrap_or_default()
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Probe").finish_non_exhaustive()
    }
}

/// One call of seven tokens and a hundred micro-dollars.
pub(crate) fn seven_tokens() -> Usage {
    Usage {
        calls: 1,
        prompt_tokens: 4,
        completion_tokens: 3,
        cost: gepa_evaluation::MicroUsd(100),
        ..Usage::default()
    }
}

struct Leaving<'a>(&'a AtomicUsize);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Evaluator for Probe {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(now, Ordering::SeqCst);
        let _leaving = Leaving(&self.in_flight);
        let delay = (self.delay)(&request);
        let _waits = self.is_call_waiting.then(RolloutClock::call_waits);
        if delay.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(delay).await;
        }
        let evaluation = (self.answer)(&request);
        let key = (request.trial_id.to_string(), request.example.to_string());
        *self.ended.lock().unwrap().entry(key).or_default() += 1;
        evaluation
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn usage_bound(&self, _request: &RolloutRequest) -> Option<UsageBound> {
        self.bound
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("probe")
    }
}
