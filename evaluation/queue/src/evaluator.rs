//! An evaluator whose rollouts are executed by workers.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gepa_evaluation::{
    BatchAnswers, CallLimit, Evaluation, Evaluator, EvaluatorInfo, Failure, FailureKind, Outcome,
    RolloutRequest, ScoreRange, TrialBatch, UsageBound, evaluate_alone,
};

use crate::waiting::Unanswered;
use crate::wire::{Body, Rollouts, Work};
use crate::{Desk, names};

/// What a run must know about an evaluator that runs elsewhere.
#[derive(Clone)]
pub struct Described {
    /// The kind, and the policy model.
    pub info: EvaluatorInfo,
    /// Whether known outcomes are reused.
    pub deterministic: bool,
    /// The range of its scores, where it is known.
    pub score_range: Option<ScoreRange>,
    /// Seconds that a worker may take for one rollout.
    pub timeout: Duration,
    /// The most rollouts of one trial that are handed over together.
    pub largest_batch: NonZeroUsize,
    /// An evaluator in this process that says the most a rollout can cost. It executes nothing.
    pub estimator: Option<Arc<dyn Evaluator>>,
}

impl std::fmt::Debug for Described {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = formatter.debug_struct("Described");
        out.field("info", &self.info).finish_non_exhaustive()
    }
}

/// Hands each rollout to a worker and waits for its outcome. A rollout may wait for a worker for as long
/// as [`DeskSettings`](crate::DeskSettings) says; its time limit begins when a worker has it.
#[derive(Debug)]
pub struct QueueEvaluator {
    desk: Arc<Desk>,
    described: Described,
}

impl QueueEvaluator {
    /// An evaluator over the queue of `desk`.
    pub fn new(desk: Arc<Desk>, described: Described) -> Self {
        Self { desk, described }
    }
}

#[async_trait]
impl Evaluator for QueueEvaluator {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        evaluate_alone(self, request).await
    }

    fn largest_batch(&self) -> Option<NonZeroUsize> {
        Some(self.described.largest_batch)
    }

    async fn evaluate_batch(&self, batch: TrialBatch, answers: &BatchAnswers) {
        let keys = names::rollout_keys(&batch);
        let seconds = self.described.timeout.as_secs_f64();
        let work = |open: &[usize]| {
            let mut part = batch.clone();
            part.examples = open
                .iter()
                .map(|place| batch.examples[*place].clone())
                .collect();
            Work::Rollouts(Rollouts::new(&part, seconds))
        };
        let give = |place: usize, body: Body| {
            let evaluation = match body {
                Body::Rollout(settled) => settled.into(),
                _ => Evaluation::free(Outcome::failed(
                    FailureKind::Permanent,
                    "a worker answered a rollout with the texts of a reflection",
                )),
            };
            answers.give(place, evaluation);
        };
        match self.desk.ask(&batch.run_id, keys, work, give).await {
            Ok(()) => {}
            Err(Unanswered::Impossible(reason)) => {
                answers.fail_rest(&Failure::new(FailureKind::Permanent, reason));
            }
            Err(Unanswered::NoWorker(reason)) => {
                for place in answers.open_places() {
                    let outcome = Outcome::failed(FailureKind::Transient, reason.clone());
                    let evaluation = Evaluation {
                        provider_down: true,
                        ..Evaluation::free(outcome)
                    };
                    answers.give(place, evaluation);
                }
            }
        }
    }

    fn keeps_time(&self) -> bool {
        true
    }

    fn is_deterministic(&self) -> bool {
        self.described.deterministic
    }

    fn score_range(&self) -> Option<ScoreRange> {
        self.described.score_range
    }

    fn usage_bound(&self, request: &RolloutRequest) -> Option<UsageBound> {
        self.described.estimator.as_ref()?.usage_bound(request)
    }

    fn usage_estimate(&self, request: &RolloutRequest) -> Option<UsageBound> {
        self.described.estimator.as_ref()?.usage_estimate(request)
    }

    fn is_priced(&self) -> bool {
        let estimator = self.described.estimator.as_ref();
        estimator.is_none_or(|estimator| estimator.is_priced())
    }

    fn obstacle(&self) -> Option<String> {
        self.desk.obstacle()
    }

    fn call_limits(&self) -> Vec<CallLimit> {
        self.desk.call_limits()
    }

    fn stop_waiting(&self) {
        self.desk.leave();
    }

    fn info(&self) -> EvaluatorInfo {
        self.described.info.clone()
    }
}
