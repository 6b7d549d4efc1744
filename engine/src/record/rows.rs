//! The rows.

use gepa_archive::{Candidate, CandidateIndex, ContentId, Origin};
use gepa_evaluation::{ExampleId, FailureKind, Phase, PromptTemplate, Stage, Usage};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::counters::Counters;
use crate::event::{CloseReason, ReflectionFailure, SnapshotTag, ValidationResult};
use crate::ids::{RunId, Seq, Timestamp, TrialKey};
use crate::stop::StopReason;

/// A run: what was asked for, and how it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// The run.
    pub run_id: RunId,
    /// The name its config gives.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// The configuration as resolved, without secrets.
    pub config: serde_json::Value,
    /// The policy's provider, overrides applied.
    pub policy_provider: String,
    /// The policy's model, overrides applied.
    pub policy_model: String,
    /// How a candidate becomes messages.
    pub template: PromptTemplate,
    /// The pareto examples, in order.
    pub pareto: Vec<ExampleId>,
    /// The validation examples, in order.
    pub validation: Vec<ExampleId>,
    /// How it stands.
    pub summary: RunSummary,
}

/// How a run stands after the event `seq`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSummary {
    /// The last event counted.
    pub seq: Seq,
    /// Its status.
    pub status: RunStatus,
    /// When the first event was journaled.
    pub started_at: Option<Timestamp>,
    /// When the last event was journaled.
    pub updated_at: Option<Timestamp>,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
    /// Seconds a process worked on it, waiting between processes left out.
    pub active_seconds: f64,
    /// All counters.
    pub counters: Counters,
    /// The seed's mean pareto score.
    pub baseline_score: Option<f64>,
    /// The best mean pareto score.
    pub best_score: Option<f64>,
    /// Who has it.
    pub best: Option<CandidateIndex>,
    /// The seed's mean validation score.
    pub baseline_validation_score: Option<f64>,
    /// The best candidate's mean validation score.
    pub best_validation_score: Option<f64>,
    /// Size of the front after dominated removal.
    pub front_size: u64,
    /// Why it stopped; `None` while it runs.
    pub stop_reason: Option<StopReason>,
    /// Whether someone asked that nothing be started for now; survives interruptions.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Why it was interrupted, if it was and has not been resumed.
    pub interruption: Option<String>,
    /// Validation results, baseline first.
    pub validation: Vec<ValidationResult>,
    /// Snapshots taken.
    pub snapshots: u64,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunStatus {
    /// Created, nothing journaled yet.
    #[default]
    Queued,
    /// Under way, or its process was killed; the claim tells which.
    Running,
    /// Nothing is started until someone asks it to go on.
    Paused,
    /// Stopped by a signal or because the provider was down; resumable.
    Interrupted,
    /// Finished with a result.
    Succeeded,
    /// Finished without one.
    Failed,
    /// Ended at once because someone asked for it.
    Cancelled,
}

impl RunStatus {
    /// The name used in stores and exports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Interrupted => "interrupted",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the run is over for good.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// A candidate that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateRow {
    /// The run.
    pub run_id: RunId,
    /// The iteration that proposed it; 0 for the seed.
    pub iteration: u64,
    /// Its content id.
    pub candidate_id: ContentId,
    /// Its index in the archive, once accepted.
    pub index: Option<CandidateIndex>,
    /// How it came to be.
    pub origin: Origin,
    /// Its parents in the archive.
    pub parents: Vec<CandidateIndex>,
    /// Where it stands.
    pub status: CandidateStatus,
    /// Why it was not accepted.
    pub close_reason: Option<CloseReason>,
    /// What the gate saw.
    pub gate: Option<GateRow>,
    /// Mean over its scored pareto examples.
    pub mean_score: Option<f64>,
    /// Pareto scores in the order of the set.
    pub scores: Option<Vec<Option<f64>>>,
    /// Means of its further objectives.
    pub objectives: IndexMap<String, f64>,
    /// Mean over its scored validation examples.
    pub validation_score: Option<f64>,
    /// Validation scores in the order of the set.
    pub validation_scores: Option<Vec<Option<f64>>>,
    /// The event that accepted it.
    pub accepted_seq: Option<Seq>,
    /// The event that evicted it from a bounded archive.
    pub evicted_seq: Option<Seq>,
    /// When it was proposed.
    pub created_at: Timestamp,
    /// Its texts.
    pub components: Candidate,
}

impl CandidateRow {
    /// The score that says most about it: the pareto mean, else its mean at the gate.
    pub fn score(&self) -> Option<f64> {
        self.mean_score
            .or_else(|| self.gate.as_ref().and_then(GateRow::child_mean))
    }
}

/// Where a candidate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CandidateStatus {
    /// Proposed, not yet decided on.
    Proposed,
    /// A member of the archive.
    Accepted,
    /// Not accepted.
    Rejected,
    /// Accepted, and evicted from a bounded archive since.
    Evicted,
}

impl CandidateStatus {
    /// The name used in stores and exports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Evicted => "evicted",
        }
    }
}

/// What the gate compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateRow {
    /// Whether the child went on to the pareto set.
    pub passed: bool,
    /// Examples compared.
    pub compared: u32,
    /// Sum of the parent's scores on them.
    pub parent_sum: f64,
    /// Sum of the child's scores on them.
    pub child_sum: f64,
}

impl GateRow {
    /// The child's mean score on the compared examples.
    pub fn child_mean(&self) -> Option<f64> {
        (self.compared > 0).then(|| self.child_sum / f64::from(self.compared))
    }
}

/// A trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialRow {
    /// The run.
    pub run_id: RunId,
    /// The trial's id.
    pub trial_id: String,
    /// Iteration and index.
    pub key: TrialKey,
    /// What was evaluated.
    pub candidate_id: ContentId,
    /// The phase.
    pub phase: Phase,
    /// Why.
    pub stage: Stage,
    /// The examples, in order.
    pub examples: Vec<ExampleId>,
    /// Outcomes taken from earlier trials.
    pub reused: u32,
    /// Rollouts with a score; known once finished.
    pub scored: Option<u32>,
    /// Rollouts without one; known once finished.
    pub failed: Option<u32>,
    /// Mean score; known once finished.
    pub mean_score: Option<f64>,
    /// Rollouts executed so far.
    pub executed: u64,
    /// Usage of policy and judge over the executed rollouts so far.
    pub usage: Usage,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it was finished.
    pub finished_at: Option<Timestamp>,
}

/// One executed rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutRow {
    /// The run.
    pub run_id: RunId,
    /// The trial.
    pub key: TrialKey,
    /// The place of the example in the trial.
    pub position: u32,
    /// What was evaluated.
    pub candidate_id: ContentId,
    /// The phase.
    pub phase: Phase,
    /// Why.
    pub stage: Stage,
    /// The example.
    pub example: ExampleId,
    /// Attempts made.
    pub attempts: u32,
    /// The score; `None` for a failure.
    pub score: Option<f64>,
    /// The kind of failure.
    pub failure: Option<FailureKind>,
    /// What the failure said.
    pub error: Option<String>,
    /// Spent by the policy.
    pub usage: Usage,
    /// Spent on judging.
    pub judge_usage: Usage,
    /// When the first attempt began.
    pub started_at: Timestamp,
    /// When the last attempt ended.
    pub finished_at: Timestamp,
    /// The event that holds output, feedback and trace.
    pub seq: Seq,
}

impl RolloutRow {
    /// The trial's id.
    pub fn trial_id(&self) -> String {
        self.key.id(&self.run_id)
    }

    /// `scored`, or the kind of failure.
    pub fn outcome(&self) -> &'static str {
        self.failure.map_or("scored", FailureKind::as_str)
    }
}

/// One settled call of the reflection model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReflectionRow {
    /// The run.
    pub run_id: RunId,
    /// The iteration.
    pub iteration: u64,
    /// The component.
    pub component: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// Why there is no new text; `None` if there is.
    pub failure: Option<ReflectionFailure>,
    /// What it cost.
    pub usage: Usage,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// The event that holds the reply.
    pub seq: Seq,
}

/// A snapshot, as stored: texts and scores are looked up when it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotRow {
    /// The snapshot.
    pub snapshot_id: String,
    /// The run.
    pub run_id: RunId,
    /// Its number within the run, from 1.
    pub ordinal: u64,
    /// Why it was taken.
    pub tag: SnapshotTag,
    /// The best candidate at the time.
    pub best: CandidateIndex,
    /// The candidate it is about.
    pub subject: CandidateIndex,
    /// The subject's mean pareto score.
    pub score: f64,
    /// Estimated tokens of the subject's messages.
    pub token_count: u64,
    /// When it was taken.
    pub created_at: Timestamp,
    /// The event.
    pub seq: Seq,
    /// All counters at the time.
    pub counters: Counters,
    /// Validation results at the time, baseline first.
    pub validation: Vec<ValidationResult>,
}

/// Something a run hands out under a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRow {
    /// The run.
    pub run_id: RunId,
    /// The snapshot that holds it.
    pub snapshot_id: String,
    /// What it is, for people.
    pub label: String,
    /// The candidate it is about.
    pub candidate: CandidateIndex,
    /// When it was made.
    pub created_at: Timestamp,
}
