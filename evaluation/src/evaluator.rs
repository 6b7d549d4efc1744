//! The user's seam: runs a candidate on an example, or on many of a trial at once.

use std::num::NonZeroUsize;

use async_trait::async_trait;

use crate::batch::{BatchAnswers, TrialBatch};
use crate::rollout::{Evaluation, RolloutRequest};
use crate::{CallLimit, Outcome, ScoreRange, UsageBound};

/// Runs candidates on examples.
///
/// **The caller** calls `evaluate` from many tasks at once, never twice at the same time for the
/// same trial and example, drops the future to cancel, and retries retryable failures itself, a
/// bounded number of times.
///
/// **The implementor** answers each request on its own, in any order; keeps nothing of a dropped
/// request (a cancelled call may still cost tokens, which are then not counted); reports a failure
/// as [`Outcome::Failed`], never as a low score; does not block the thread (CPU-bound work goes
/// through [`CpuEvaluator`](crate::CpuEvaluator)); and reports usage for failures as well.
///
/// **Batches.** An evaluator that does better with many rollouts of a trial at once announces how
/// many it takes in [`largest_batch`](Self::largest_batch), implements
/// [`evaluate_batch`](Self::evaluate_batch), and writes `evaluate` as [`evaluate_alone`]. One that
/// implements `evaluate` alone gets one rollout at a time. Where `largest_batch` is 1, the engine
/// calls `evaluate`.
#[async_trait]
pub trait Evaluator: Send + Sync {
    /// Runs one rollout.
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation;

    /// The most rollouts of one trial that a call takes; `None` for whole trials of any size. The
    /// engine asks once, when a run starts. A batch is smaller where fewer rollouts are waiting or
    /// fewer slots are free: a batch takes as many slots as it has rollouts, all of which come free
    /// when its last rollout is answered.
    fn largest_batch(&self) -> Option<NonZeroUsize> {
        Some(NonZeroUsize::MIN)
    }

    /// Runs the rollouts of a batch and gives the answer to each as soon as there is one, or all of
    /// them at once. Rollouts without an answer when this returns fail permanently. Each answer is
    /// stored when it is given, so that what is answered survives a batch that is cut off. The
    /// caller allows as many times the limit of one rollout as there are rollouts in the batch.
    async fn evaluate_batch(&self, batch: TrialBatch, answers: &BatchAnswers) {
        let rollouts = batch.requests().enumerate();
        let rollouts = rollouts.map(|(place, request)| async move {
            let evaluation = self.evaluate(request).await;
            answers.give(place, evaluation);
        });
        futures::future::join_all(rollouts).await;
    }

    /// Whether the same candidate on the same example always gives the same outcome. If so, known
    /// outcomes are reused where the algorithm would evaluate again.
    fn is_deterministic(&self) -> bool {
        false
    }

    /// The range in which scores lie, where it is known beforehand.
    fn score_range(&self) -> Option<ScoreRange> {
        None
    }

    /// The most this rollout can cost over all its attempts, where that is known beforehand.
    fn usage_bound(&self, _request: &RolloutRequest) -> Option<UsageBound> {
        None
    }

    /// What this rollout is likely to cost, for plans. It limits nothing.
    fn usage_estimate(&self, _request: &RolloutRequest) -> Option<UsageBound> {
        None
    }

    /// The reason why rollouts wait at this moment, for people; `None` if none has to wait.
    fn obstacle(&self) -> Option<String> {
        None
    }

    /// Whether the prices of all models it calls are known.
    fn is_priced(&self) -> bool {
        true
    }

    /// Whether it ends each rollout within the run's time limit itself, because rollouts may wait for
    /// something else before their time begins. The caller then sets no limit.
    fn keeps_time(&self) -> bool {
        false
    }

    /// What the limits on its model calls allow at this moment.
    fn call_limits(&self) -> Vec<CallLimit> {
        Vec::new()
    }

    /// The caller is leaving: rollouts that wait for a model's turn, a limit or the end of an outage
    /// end at once with [`Evaluation::provider_down`] set. Calls in flight are not touched.
    fn stop_waiting(&self) {}

    /// The evaluator's kind and its policy model, for records and reports.
    fn info(&self) -> EvaluatorInfo;
}

/// Runs one rollout as a batch of one: the body of [`Evaluator::evaluate`] for an evaluator that
/// takes batches.
pub async fn evaluate_alone(
    evaluator: &(impl Evaluator + ?Sized),
    request: RolloutRequest,
) -> Evaluation {
    let answers = BatchAnswers::new(1);
    evaluator.evaluate_batch(request.into(), &answers).await;
    answers.take().pop().map_or_else(
        || Evaluation::free(Outcome::Failed(TrialBatch::no_answer())),
        |(_, evaluation)| evaluation,
    )
}

/// The kind and the policy model of an evaluator, for records and reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluatorInfo {
    /// The kind: `dataset`, `process`, `task_app`, or the name of an in-process evaluator.
    pub kind: String,
    /// The policy's provider; `none` where no model answers.
    pub policy_provider: String,
    /// The policy's model; `none` where no model answers.
    pub policy_model: String,
}

impl EvaluatorInfo {
    /// An evaluator that calls no model.
    pub fn without_model(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            policy_provider: "none".to_owned(),
            policy_model: "none".to_owned(),
        }
    }
}
