//! The user's seam: one method that runs one candidate on one example.

use std::sync::Arc;

use async_trait::async_trait;
use gepa_archive::Candidate;

use crate::{ExampleId, Outcome, Phase, Stage, Usage, UsageBound};

/// Runs candidates on examples.
///
/// **The caller** calls `evaluate` from many tasks at once, never twice at the same time for the
/// same trial and example, drops the future to cancel, and retries retryable failures itself, a
/// bounded number of times.
///
/// **The implementor** answers each request on its own, in any order; keeps nothing of a dropped
/// request (a cancelled call may still cost tokens, which then nobody counts); reports a failure
/// as [`Outcome::Failed`], never as a low score; does not block the thread (CPU-bound work goes
/// through [`CpuEvaluator`](crate::CpuEvaluator)); and reports usage for failures as well.
#[async_trait]
pub trait Evaluator: Send + Sync {
    /// Runs one rollout.
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation;

    /// Whether the same candidate on the same example always gives the same outcome. If so, known
    /// outcomes are reused where the algorithm would evaluate again.
    fn is_deterministic(&self) -> bool {
        false
    }

    /// The most this rollout can cost over all its attempts, where that is known beforehand.
    fn usage_bound(&self, _request: &RolloutRequest) -> Option<UsageBound> {
        None
    }

    /// What rollouts have to wait for at this moment, for people; `None` if nothing is in their way.
    fn obstacle(&self) -> Option<String> {
        None
    }

    /// What runs here, for records and reports.
    fn info(&self) -> EvaluatorInfo;
}

/// One rollout to run.
#[derive(Clone, Debug)]
pub struct RolloutRequest {
    /// The candidate under evaluation.
    pub candidate: Arc<Candidate>,
    /// The example to run it on.
    pub example: ExampleId,
    /// The run this belongs to.
    pub run_id: Arc<str>,
    /// The trial this belongs to.
    pub trial_id: Arc<str>,
    /// Why the trial happens; fixes the phase.
    pub stage: Stage,
    /// The iteration; 0 for the seed's evaluation.
    pub iteration: u64,
    /// The trial's place within its iteration.
    pub trial_index: u32,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

impl RolloutRequest {
    /// The phase the stage belongs to.
    pub fn phase(&self) -> Phase {
        self.stage.phase()
    }

    /// Whether reflection will read this rollout's trace; others may skip building it.
    pub fn wants_trace(&self) -> bool {
        matches!(self.stage, Stage::MinibatchParent | Stage::MinibatchChild)
    }
}

/// What a rollout came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The outcome.
    pub outcome: Outcome,
    /// Spent by the policy.
    pub usage: Usage,
    /// Spent on judging.
    pub judge_usage: Usage,
    /// Set when the provider is down: the rollout has not been settled, the run should pause and
    /// come back to it. The outcome then says what was seen.
    pub provider_down: bool,
}

impl Evaluation {
    /// An evaluation that used no model.
    pub fn free(outcome: Outcome) -> Self {
        Self::with_usage(outcome, Usage::default())
    }

    /// An evaluation whose policy used a model.
    pub fn with_usage(outcome: Outcome, usage: Usage) -> Self {
        Self {
            outcome,
            usage,
            judge_usage: Usage::default(),
            provider_down: false,
        }
    }
}

/// What an evaluator is, for records and reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluatorInfo {
    /// The kind: `dataset`, `process`, `task_app`, or whatever an in-process evaluator calls itself.
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
