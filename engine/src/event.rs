//! The run's append-only journal: facts that came from outside, and the decisions made from them.
//!
//! *Facts* ([`EventBody::is_fact`]) are journaled when they arrive and before anything uses them.
//! *Decisions* are functions of the facts before them: replaying the facts makes them again. Under
//! the ordered schedule they are the same at any concurrency; only facts arrive in another order.

use gepa_archive::{Candidate, CandidateIndex, ContentId, Origin};
use gepa_evaluation::{ExampleId, Outcome, Stage, Usage};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::counters::Counters;
use crate::ids::{Seq, Timestamp, TrialKey};
use crate::stop::StopReason;

/// The version of the journal's format that this code writes.
pub const JOURNAL_FORMAT: u32 = 1;

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its place, from 1, without gaps.
    pub seq: Seq,
    /// When it was journaled.
    pub at: Timestamp,
    /// What happened.
    pub body: EventBody,
}

/// What can happen in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventBody {
    /// Decision: the run begins.
    RunStarted(RunStarted),
    /// Fact: a process took the run up again after another one stopped.
    RunResumed(RunResumed),
    /// Fact: the process stopped before the run was finished; it can be resumed.
    RunInterrupted(RunInterrupted),
    /// Fact: someone asked that nothing further be started for now.
    RunPaused,
    /// Fact: someone asked the run to go on after a pause.
    RunContinued,
    /// Fact: someone asked the run to end early, or a limit outside the schedule was reached.
    StopRequested(StopRequested),
    /// Fact: whoever supervises the run ended it while no process worked on it. What was in flight
    /// stays undecided.
    RunAbandoned(RunAbandoned),
    /// Fact: someone handed in a candidate.
    CandidateInjected(CandidateInjected),
    /// Decision: a candidate will be evaluated.
    TrialStarted(TrialStarted),
    /// Fact: a rollout has its outcome.
    RolloutSettled(Box<RolloutSettled>),
    /// Fact: a rollout's attempts so far, the next one left to a resumption. What they cost counts;
    /// no decision uses how they ended.
    RolloutSuspended(Box<RolloutSettled>),
    /// Decision: every rollout of a trial has its outcome.
    TrialFinished(TrialFinished),
    /// Decision: an iteration begins.
    ProposalIssued(ProposalIssued),
    /// Fact: the reflection model answered, or failed to.
    ReflectionSettled(Box<ReflectionSettled>),
    /// Decision: an iteration has a new candidate to try.
    CandidateProposed(CandidateProposed),
    /// Decision: a child was compared with its parents.
    GateDecided(GateDecided),
    /// Decision: an iteration ended without a new member of the archive.
    ProposalClosed(ProposalClosed),
    /// Decision: a candidate entered the archive.
    CandidateAccepted(Box<CandidateAccepted>),
    /// Decision: the archive improved (or the run ended) and its state was recorded.
    SnapshotTaken(SnapshotTaken),
    /// Decision: no further iteration begins.
    StopDecided(StopDecided),
    /// Decision: the run is over.
    RunFinished(Box<RunFinished>),
}

/// The seed and the sizes of the sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// [`JOURNAL_FORMAT`] of the writer.
    pub format: u32,
    /// Version of the engine that started the run.
    pub engine_version: String,
    /// The seed candidate.
    pub seed: Candidate,
    /// Training examples.
    pub train: u64,
    /// Pareto examples.
    pub pareto: u64,
    /// Validation examples.
    pub validation: u64,
}

/// Who took the run up again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResumed {
    /// Version of the engine that resumed.
    pub engine_version: String,
}

/// Why the process stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInterrupted {
    /// What happened, for people.
    pub reason: String,
    /// The provider was down, rather than someone interrupting.
    pub provider_down: bool,
}

/// An end that did not come from the schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopRequested {
    /// Why the run shall end.
    pub reason: StopReason,
}

/// An end without any further decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunAbandoned {
    /// Why the run is over.
    pub reason: StopReason,
}

/// A candidate from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateInjected {
    /// The candidate.
    pub candidate: Candidate,
}

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
    /// How it ended.
    pub outcome: Outcome,
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

/// An iteration's parents and minibatch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProposalIssued {
    /// The iteration, from 1.
    pub iteration: u64,
    /// How its candidate will come to be.
    pub origin: Origin,
    /// One parent for a reflection, two for a merge, none for an injected candidate.
    pub parents: Vec<CandidateIndex>,
    /// The examples the gate will compare on.
    pub examples: Vec<ExampleId>,
    /// The components to rewrite. Where a sibling in the generation with the same parent turns out to
    /// need no reflection, its turn goes to the next.
    pub components: Vec<String>,
}

/// One call of the reflection model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReflectionSettled {
    /// The iteration.
    pub iteration: u64,
    /// The component it was to rewrite.
    pub component: String,
    /// Which attempt at this component, from 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What it cost.
    #[serde(default, skip_serializing_if = "Usage::is_zero")]
    pub usage: Usage,
    /// The reply as it came; `None` where there was none.
    pub reply: Option<String>,
    /// The new text, where the reply holds one.
    pub text: Option<String>,
    /// Why there is no new text.
    pub failure: Option<ReflectionFailure>,
}

/// Why a reflection gave no new text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReflectionFailure {
    /// What kind of failure.
    pub kind: ReflectionFailureKind,
    /// What was wrong, for people.
    pub message: String,
}

/// The kinds of failed reflection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReflectionFailureKind {
    /// The reply holds no fenced block.
    NoFence,
    /// The fenced block is empty.
    Empty,
    /// The reply was cut off at the token limit.
    Truncated,
    /// The model declined.
    Refused,
    /// The new text is the old one.
    Unchanged,
    /// The new text is longer than the configured limit.
    TooLong,
    /// The new text lost a wildcard it must keep.
    LostWildcard,
    /// The call itself failed.
    Model,
    /// The provider refused the key: no call with it will ever work.
    KeyRejected,
}

impl ReflectionFailureKind {
    /// Whether every other reflection of the run would fail alike.
    pub fn is_fatal(self) -> bool {
        self == Self::KeyRejected
    }
}

/// A new candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateProposed {
    /// The iteration.
    pub iteration: u64,
    /// How it came to be.
    pub origin: Origin,
    /// Its parents in the archive.
    pub parents: Vec<CandidateIndex>,
    /// The candidate, complete.
    pub candidate: Candidate,
}

/// The comparison at the gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateDecided {
    /// The iteration.
    pub iteration: u64,
    /// The child.
    pub candidate: ContentId,
    /// Whether it goes on to the pareto set.
    pub passed: bool,
    /// Examples on which both sides have a score; only these are compared.
    pub compared: u32,
    /// Sum of the parent's scores on them; for a merge that of the better parent.
    pub parent_sum: f64,
    /// Sum of the child's scores on them.
    pub child_sum: f64,
}

/// The end of an iteration without an acceptance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProposalClosed {
    /// The iteration.
    pub iteration: u64,
    /// Why.
    pub reason: CloseReason,
    /// More about it, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Why an iteration ended without an acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CloseReason {
    /// The child was not better on the minibatch.
    Gate,
    /// It passed the gate, but other children of its generation rose more.
    Outranked,
    /// The parent's minibatch was perfect already.
    Perfect,
    /// No rollout of the parent had a score to reflect on.
    NoScores,
    /// Parent and child have no scored example in common.
    NothingToCompare,
    /// The reflection model gave no usable text.
    Reflection,
    /// The candidate is in the archive already.
    Duplicate,
    /// The rest of the budget does not cover the pareto set.
    Budget,
    /// Too many rollouts on the pareto set failed.
    TooManyFailures,
    /// The run stopped first.
    Stopped,
}

/// A new member of the archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateAccepted {
    /// The iteration; 0 for the seed.
    pub iteration: u64,
    /// Its index in the archive.
    pub index: CandidateIndex,
    /// The candidate.
    pub candidate: ContentId,
    /// Its parents.
    pub parents: Vec<CandidateIndex>,
    /// How it came to be.
    pub origin: Origin,
    /// Mean over its scored pareto examples.
    pub mean_score: f64,
    /// Scores in the order of the pareto set; `None` where the rollout failed.
    pub scores: Vec<Option<f64>>,
    /// Means of its further objectives.
    pub objectives: IndexMap<String, f64>,
    /// Candidates in the front after dominated removal, ascending.
    pub front: Vec<CandidateIndex>,
    /// Whether that set changed: an improvement.
    pub improvement: bool,
    /// Whether it is the new best by mean score.
    pub best: bool,
    /// Candidates that left a bounded archive for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evicted: Vec<CandidateIndex>,
    /// Rollouts of all iterations committed up to here, this one included.
    pub committed_rollouts: u64,
}

/// The recorded state of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotTaken {
    /// Its number within the run, from 1.
    pub ordinal: u64,
    /// Why it was taken.
    pub tag: SnapshotTag,
    /// The best candidate at the time.
    pub best: CandidateIndex,
    /// The accepted candidate that caused it; the best one for the last snapshot.
    pub subject: CandidateIndex,
}

/// Why a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SnapshotTag {
    /// The seed's scores are known.
    Seed,
    /// The front changed.
    Improvement,
    /// The best aggregate score rose.
    Best,
    /// The run is over.
    Final,
}

impl SnapshotTag {
    /// The name used in stores and exports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Improvement => "improvement",
            Self::Best => "best_prompt",
            Self::Final => "final",
        }
    }
}

/// Optimization is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopDecided {
    /// Why.
    pub reason: StopReason,
}

/// The end, with what was reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFinished {
    /// Why optimization stopped.
    pub stop_reason: StopReason,
    /// The best candidate by mean pareto score; `None` where not even the seed could be scored.
    pub best: Option<CandidateIndex>,
    /// Baseline first, then the top-k by pareto score.
    pub validation: Vec<ValidationResult>,
    /// All counters at the end.
    pub counters: Counters,
}

/// One candidate's result on the held-out set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidationResult {
    /// The candidate.
    pub candidate: CandidateIndex,
    /// Its rank by pareto score, from 1; `None` for the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// Mean over its scored validation examples; `None` where all failed.
    pub mean_score: Option<f64>,
    /// Scores in the order of the validation set; `None` where the rollout failed.
    pub scores: Vec<Option<f64>>,
}

impl EventBody {
    /// Whether this came from outside, rather than following from what came before.
    pub fn is_fact(&self) -> bool {
        matches!(
            self,
            Self::RunResumed(_)
                | Self::RunInterrupted(_)
                | Self::RunPaused
                | Self::RunContinued
                | Self::StopRequested(_)
                | Self::RunAbandoned(_)
                | Self::CandidateInjected(_)
                | Self::RolloutSettled(_)
                | Self::RolloutSuspended(_)
                | Self::ReflectionSettled(_)
        )
    }

    /// The name used in stores, exports and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RunStarted(_) => "run_started",
            Self::RunResumed(_) => "run_resumed",
            Self::RunInterrupted(_) => "run_interrupted",
            Self::RunPaused => "run_paused",
            Self::RunContinued => "run_continued",
            Self::StopRequested(_) => "stop_requested",
            Self::RunAbandoned(_) => "run_abandoned",
            Self::CandidateInjected(_) => "candidate_injected",
            Self::TrialStarted(_) => "trial_started",
            Self::RolloutSettled(_) => "rollout_settled",
            Self::RolloutSuspended(_) => "rollout_suspended",
            Self::TrialFinished(_) => "trial_finished",
            Self::ProposalIssued(_) => "proposal_issued",
            Self::ReflectionSettled(_) => "reflection_settled",
            Self::CandidateProposed(_) => "candidate_proposed",
            Self::GateDecided(_) => "gate_decided",
            Self::ProposalClosed(_) => "proposal_closed",
            Self::CandidateAccepted(_) => "candidate_accepted",
            Self::SnapshotTaken(_) => "snapshot_taken",
            Self::StopDecided(_) => "stop_decided",
            Self::RunFinished(_) => "run_finished",
        }
    }
}
