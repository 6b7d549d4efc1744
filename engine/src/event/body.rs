//! The entries of the journal.

use serde::{Deserialize, Serialize};

use super::{
    CandidateAccepted, CandidateInjected, CandidateProposed, GateDecided, ProposalClosed,
    ProposalIssued, ReflectionSettled, RolloutSettled, RolloutsDropped, RunAbandoned, RunFinished,
    RunInterrupted, RunResumed, RunStarted, SnapshotTaken, StopDecided, StopRequested,
    TrialFinished, TrialStarted,
};
use crate::ids::{Seq, Timestamp};

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
    /// Fact: rollouts of a speculative trial were taken from the queue before they began.
    RolloutsDropped(RolloutsDropped),
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
                | Self::RolloutsDropped(_)
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
            Self::RolloutsDropped(_) => "rollouts_dropped",
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
