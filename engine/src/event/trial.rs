//! The events of trials and their rollouts.

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
    /// The stage, which says why it is evaluated.
    pub stage: Stage,
    /// The candidate that is evaluated.
    pub candidate: ContentId,
    /// The examples, in order.
    pub examples: Vec<ExampleId>,
    /// The number of examples whose outcomes are known from earlier trials and are not executed.
    pub reused: u32,
    /// The number of the step in a row that grows, from 0; absent in other rows and trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<u32>,
    /// Whether it was ordered before it was certain that it was needed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub speculative: bool,
}

/// Rollouts of a trial that are no longer needed and that never began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutsDropped {
    /// The trial.
    pub trial: TrialKey,
    /// Their places within the trial, ascending.
    pub positions: Vec<u32>,
}

/// One executed rollout. It holds everything that a row needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutSettled {
    /// The trial.
    pub trial: TrialKey,
    /// The trial's stage.
    pub stage: Stage,
    /// The candidate that was evaluated.
    pub candidate: ContentId,
    /// The place of the example within the trial.
    pub position: u32,
    /// The example.
    pub example: ExampleId,
    /// The number of attempts made, at least 1.
    pub attempts: u32,
    /// Whether the rollout had failed or was suspended before an interruption and was tried again
    /// after the resumption. It then replaces that outcome and adds to its attempts and usage.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// When the first attempt began.
    pub started_at: Timestamp,
    /// When the last attempt ended.
    pub finished_at: Timestamp,
    /// Usage of the policy, over all attempts.
    #[serde(default, skip_serializing_if = "Usage::is_zero")]
    pub usage: Usage,
    /// Usage of the judge, over all attempts.
    #[serde(default, skip_serializing_if = "Usage::is_zero")]
    pub judge_usage: Usage,
    /// The outcome; shared with the core, which decides on it.
    pub outcome: Arc<Outcome>,
}

impl RolloutSettled {
    /// A rollout whose only attempt cost nothing and took place at the epoch.
    pub fn new(
        trial: TrialKey,
        stage: Stage,
        candidate: ContentId,
        position: u32,
        example: ExampleId,
        outcome: Outcome,
    ) -> Self {
        Self {
            trial,
            stage,
            candidate,
            position,
            example,
            attempts: 1,
            again: false,
            started_at: Timestamp(0),
            finished_at: Timestamp(0),
            usage: Usage::default(),
            judge_usage: Usage::default(),
            outcome: Arc::new(outcome),
        }
    }

    /// The same outcome for another run, which did not pay for it.
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
    /// Mean over the scored rollouts, reused ones included; `None` if none was scored.
    pub mean_score: Option<f64>,
    /// Rollouts with a score.
    pub scored: u32,
    /// Rollouts without a score.
    pub failed: u32,
}
