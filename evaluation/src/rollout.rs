//! One rollout: the request to an evaluator, and its answer.

use std::sync::Arc;

use gepa_archive::Candidate;

use crate::{ExampleId, Outcome, Phase, Stage, Usage};

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
        self.stage.wants_trace()
    }
}

/// The result of a rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The outcome.
    pub outcome: Outcome,
    /// Spent by the policy.
    pub usage: Usage,
    /// Spent on judging.
    pub judge_usage: Usage,
    /// Set when the provider is down. The rollout is then not settled: the run should pause and
    /// repeat it later. The outcome holds the failure that was seen.
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
