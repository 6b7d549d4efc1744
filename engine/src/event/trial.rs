//! Trials and their rollouts.

use std::sync::Arc;

use gepa_archive::ContentId;
use gepa_evaluation::{ExampleId, Outcome, Stage, Usage};
use serde::{Deserialize, Serialize};

use crate::ids::{Timestamp, TrialKey};

/// A trial and the examples it will run on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialStarted {
    /// The trial.
    pub trial: TrialKey,
    /// Why.
    pub stage: Stage,
    /// What is evaluated.
    pub candidate: ContentId,
    /// The examples, in order.
    pub examples: Vec<ExampleId>,
    /// How many of them have outcomes from earlier trials and will not be executed.
    pub reused: u32,
    /// It was ordered before it was certain that it would be wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub speculative: bool,
}

/// Rollouts of a trial that nobody wants any more and that never began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutsDropped {
    /// The trial.
    pub trial: TrialKey,
    /// Their places within the trial, ascending.
    pub positions: Vec<u32>,
}

/// One executed rollout; complete in itself, so that a row needs nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutSettled {
    /// The trial.
    pub trial: TrialKey,
    /// The trial's stage.
    pub stage: Stage,
    /// What was evaluated.
    pub candidate: ContentId,
    /// The place of the example within the trial.
    pub position: u32,
    /// The example.
    pub example: ExampleId,
    /// Attempts made, from 1.
    pub attempts: u32,
    /// The rollout had failed or was suspended before an interruption and was tried again on
    /// resume: it replaces that outcome and adds to its attempts and usage.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// When the first attempt began.
    pub started_at: Timestamp,
    /// When the last attempt ended.
    pub finished_at: Timestamp,
    /// Spent by the policy, all attempts together.
    #[serde(default, skip_serializing_if = "Usage::is_zero")]
    pub usage: Usage,
    /// Spent on judging, all attempts together.
    #[serde(default, skip_serializing_if = "Usage::is_zero")]
    pub judge_usage: Usage,
    /// How it ended; shared with whoever decides on it.
    pub outcome: Arc<Outcome>,
}

impl RolloutSettled {
    /// The same outcome for a run that did not pay for it.
    pub(crate) fn for_free(self) -> Self {
        Self {
            usage: Usage::default(),
            judge_usage: Usage::default(),
            again: false,
            ..self
        }
    }
}

/// A trial's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialFinished {
    /// The trial.
    pub trial: TrialKey,
    /// The trial's stage.
    pub stage: Stage,
    /// Mean over the scored rollouts, reused ones included; `None` where none was scored.
    pub mean_score: Option<f64>,
    /// Rollouts with a score.
    pub scored: u32,
    /// Rollouts without one.
    pub failed: u32,
}
