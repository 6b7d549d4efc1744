//! The entries of the journal: facts and decisions.

use serde::{Deserialize, Serialize};

use super::{
    AblationNoted, ArchiveRevised, CallLimitsNoted, CandidateAccepted, CandidateInjected,
    CandidateProposed, CandidateVetoed, ExampleExcluded, GateDecided, HintGiven, LimitsChanged,
    PolicyDecided, ProposalClosed, ProposalIssued, RefinementIssued, ReflectionSettled,
    RolloutSettled, RolloutsDropped, RowExtended, RunAbandoned, RunFinished, RunInterrupted,
    RunResumed, RunStarted, RungDecided, SettingsChanged, SnapshotTaken, SteeredBy, StopDecided,
    StopRequested, TrialFinished, TrialStarted,
};
use crate::ids::{Seq, Timestamp};

/// The version of the journal's format that this code writes.
pub const JOURNAL_FORMAT: u32 = 1;

/// One entry of the journal. Runs hold many, so contents of more than about a hundred bytes are boxed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its position, from 1, without gaps.
    pub seq: Seq,
    /// When it was journaled.
    pub at: Timestamp,
    /// What happened.
    pub body: EventBody,
}

/// What happened in a run. The JSON is one flat object with the field `kind`; it does not say
/// whether the entry is a fact or a decision, because the kind does.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EventBody {
    /// The entry came from outside.
    Fact(Fact),
    /// The entry follows from the facts before it.
    Decision(Decision),
}

/// Defines the kinds of facts and decisions: `Variant(field: Content) = "kind"`, or
/// `Variant = "kind"` for a kind without content. The kind is the name in the JSON, in stores, in
/// exports and in metrics.
macro_rules! kinds {
    (
        $(#[$of_facts:meta])*
        Fact { $( $(#[$of_fact:meta])* $fact:ident $( ($given:ident: $given_type:ty) )? = $fact_kind:literal, )* }
        $(#[$of_decisions:meta])*
        Decision { $( $(#[$of_decision:meta])* $decision:ident $( ($made:ident: $made_type:ty) )? = $decision_kind:literal, )* }
    ) => {
        $(#[$of_facts])*
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(tag = "kind")]
        #[non_exhaustive]
        pub enum Fact {
            $( $(#[$of_fact])* #[serde(rename = $fact_kind)] $fact $( ($given_type) )?, )*
        }

        $(#[$of_decisions])*
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(tag = "kind")]
        #[non_exhaustive]
        pub enum Decision {
            $( $(#[$of_decision])* #[serde(rename = $decision_kind)] $decision $( ($made_type) )?, )*
        }

        /// All kinds in one enum, so that an unknown kind is reported with the list of known ones.
        #[derive(Deserialize)]
        #[serde(tag = "kind")]
        enum Stored {
            $( #[serde(rename = $fact_kind)] $fact $( ($given_type) )?, )*
            $( #[serde(rename = $decision_kind)] $decision $( ($made_type) )?, )*
        }

        impl From<Stored> for EventBody {
            fn from(stored: Stored) -> Self {
                match stored {
                    $( Stored::$fact $( ($given) )? => Self::Fact(Fact::$fact $( ($given) )?), )*
                    $( Stored::$decision $( ($made) )? => Self::Decision(Decision::$decision $( ($made) )?), )*
                }
            }
        }

        impl Fact {
            /// The name used in stores, exports and metrics.
            pub fn kind(&self) -> &'static str {
                match self {
                    $( Self::$fact { .. } => $fact_kind, )*
                }
            }
        }

        impl Decision {
            /// The name used in stores, exports and metrics.
            pub fn kind(&self) -> &'static str {
                match self {
                    $( Self::$decision { .. } => $decision_kind, )*
                }
            }
        }
    };
}

kinds! {
    /// Something that came from outside: an outcome, a reply, a request. It is journaled when it
    /// arrives and before any decision uses it.
    Fact {
        /// A process resumed the run after another process stopped.
        RunResumed(resumed: RunResumed) = "run_resumed",
        /// The process stopped before the run was finished. The run can be resumed.
        RunInterrupted(interrupted: RunInterrupted) = "run_interrupted",
        /// The user paused the run: nothing further is started for now.
        RunPaused(by: SteeredBy) = "run_paused",
        /// The user ended a pause of the run.
        RunContinued(by: SteeredBy) = "run_continued",
        /// The user asked the run to end early, or a limit outside the schedule was reached.
        StopRequested(request: StopRequested) = "stop_requested",
        /// The supervisor of the run ended it while no process worked on it. No decision follows
        /// about the calls in flight.
        RunAbandoned(abandoned: RunAbandoned) = "run_abandoned",
        /// The user changed the limits.
        LimitsChanged(changed: Box<LimitsChanged>) = "limits_changed",
        /// The part that a branch shares with its origin is over. From here on the branch's own
        /// settings apply.
        SettingsChanged(changed: Box<SettingsChanged>) = "settings_changed",
        /// The user submitted a candidate.
        CandidateInjected(injected: CandidateInjected) = "candidate_injected",
        /// The user vetoed a candidate.
        CandidateVetoed(vetoed: CandidateVetoed) = "candidate_vetoed",
        /// The user gave the reflection model a hint.
        HintGiven(given: HintGiven) = "hint_given",
        /// The user excluded an example.
        ExampleExcluded(excluded: ExampleExcluded) = "example_excluded",
        /// The limits on model calls had changed. No decision uses it.
        CallLimitsNoted(noted: CallLimitsNoted) = "call_limits_noted",
        /// A person had a prompt of the run ablated. No decision uses it.
        AblationNoted(noted: Box<AblationNoted>) = "ablation_noted",
        /// A policy that is not part of the configuration decided something.
        PolicyDecided(decided: PolicyDecided) = "policy_decided",
        /// A rollout has its outcome.
        RolloutSettled(settled: Box<RolloutSettled>) = "rollout_settled",
        /// A rollout has its outcome from the run that this one branches from. Nothing was
        /// executed.
        RolloutRecalled(settled: Box<RolloutSettled>) = "rollout_recalled",
        /// The attempts at a rollout so far; a resumption makes the next one. Their cost counts. No
        /// decision uses how they ended.
        RolloutSuspended(suspended: Box<RolloutSettled>) = "rollout_suspended",
        /// Rollouts of a speculative trial were taken from the queue before they began.
        RolloutsDropped(dropped: RolloutsDropped) = "rollouts_dropped",
        /// The reflection model answered, or its call failed.
        ReflectionSettled(settled: Box<ReflectionSettled>) = "reflection_settled",
        /// The reflection model's answer to the run that this one branches from. No call was made.
        ReflectionRecalled(settled: Box<ReflectionSettled>) = "reflection_recalled",
    }
    /// Something that follows from the facts before it. The same facts in the same order give the
    /// same decisions.
    Decision {
        /// The run begins. This is the first decision.
        RunStarted(started: Box<RunStarted>) = "run_started",
        /// A candidate will be evaluated.
        TrialStarted(started: TrialStarted) = "trial_started",
        /// Every rollout of a trial has its outcome.
        TrialFinished(finished: TrialFinished) = "trial_finished",
        /// An iteration begins.
        ProposalIssued(issued: ProposalIssued) = "proposal_issued",
        /// An iteration has a new candidate to try.
        CandidateProposed(proposed: Box<CandidateProposed>) = "candidate_proposed",
        /// A child was compared with its parents.
        GateDecided(gate: GateDecided) = "gate_decided",
        /// A child was compared with the best candidate after a step of its row.
        RungDecided(rung: RungDecided) = "rung_decided",
        /// An iteration begins that makes the row of an accepted candidate longer.
        RefinementIssued(issued: RefinementIssued) = "refinement_issued",
        /// The row of an accepted candidate became longer.
        RowExtended(extended: Box<RowExtended>) = "row_extended",
        /// An iteration ended without a new member of the archive.
        ProposalClosed(closed: ProposalClosed) = "proposal_closed",
        /// A person took a candidate or an example out of the archive.
        ArchiveRevised(revised: Box<ArchiveRevised>) = "archive_revised",
        /// A candidate entered the archive.
        CandidateAccepted(accepted: Box<CandidateAccepted>) = "candidate_accepted",
        /// The archive improved, or the run ended, and the state of the archive was recorded.
        SnapshotTaken(taken: SnapshotTaken) = "snapshot_taken",
        /// No further iteration begins.
        StopDecided(stop: StopDecided) = "stop_decided",
        /// The run is over.
        RunFinished(finished: Box<RunFinished>) = "run_finished",
    }
}

impl Fact {
    /// Who steered the run by this fact; `None` if it is no act of a person.
    pub fn steered_by(&self) -> Option<&SteeredBy> {
        match self {
            Self::RunPaused(by) | Self::RunContinued(by) => Some(by),
            Self::StopRequested(request) => Some(&request.by),
            Self::LimitsChanged(changed) => Some(&changed.by),
            Self::CandidateInjected(injected) => Some(&injected.by),
            Self::CandidateVetoed(vetoed) => Some(&vetoed.by),
            Self::HintGiven(given) => Some(&given.by),
            Self::ExampleExcluded(excluded) => Some(&excluded.by),
            Self::AblationNoted(noted) => Some(&noted.by),
            _ => None,
        }
    }
}

impl EventBody {
    /// The fact, if it is one.
    pub fn fact(&self) -> Option<&Fact> {
        match self {
            Self::Fact(fact) => Some(fact),
            Self::Decision(_) => None,
        }
    }

    /// The decision, if it is one.
    pub fn decision(&self) -> Option<&Decision> {
        match self {
            Self::Fact(_) => None,
            Self::Decision(decision) => Some(decision),
        }
    }

    /// Whether the entry came from outside.
    pub fn is_fact(&self) -> bool {
        matches!(self, Self::Fact(_))
    }

    /// The name used in stores, exports and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Fact(fact) => fact.kind(),
            Self::Decision(decision) => decision.kind(),
        }
    }

    /// Reads what serialising an event wrote. If a frequent kind is the first field, it is read
    /// without a buffer. Otherwise the whole object is buffered to find the kind.
    ///
    /// # Errors
    ///
    /// The JSON is malformed, a field is missing or of another type, or the kind is unknown; the
    /// error names it.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        let fact = |fact| Self::Fact(fact);
        let decision = |decision| Self::Decision(decision);
        match kind_at_the_start(json) {
            Some("rollout_settled") => read(json, Fact::RolloutSettled).map(fact),
            Some("reflection_settled") => read(json, Fact::ReflectionSettled).map(fact),
            Some("trial_started") => read(json, Decision::TrialStarted).map(decision),
            Some("trial_finished") => read(json, Decision::TrialFinished).map(decision),
            Some("candidate_accepted") => read(json, Decision::CandidateAccepted).map(decision),
            _ => serde_json::from_str(json),
        }
    }
}

impl<'de> Deserialize<'de> for EventBody {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Stored::deserialize(deserializer).map(Self::from)
    }
}

impl From<Fact> for EventBody {
    fn from(fact: Fact) -> Self {
        Self::Fact(fact)
    }
}

impl From<Decision> for EventBody {
    fn from(decision: Decision) -> Self {
        Self::Decision(decision)
    }
}

fn kind_at_the_start(json: &str) -> Option<&str> {
    let kind = json.strip_prefix("{\"kind\":\"")?;
    kind.split_once('"').map(|(kind, _)| kind)
}

fn read<'j, T: Deserialize<'j>, B>(
    json: &'j str,
    body: impl FnOnce(T) -> B,
) -> Result<B, serde_json::Error> {
    serde_json::from_str(json).map(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_kind_is_named_together_with_the_known_ones() {
        let error = EventBody::from_json(r#"{"kind":"run_teleported"}"#).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("unknown variant `run_teleported`"),
            "{error}"
        );
        assert!(error.contains("`rollout_settled`"), "{error}");
        assert!(error.contains("`run_finished`"), "{error}");
    }

    #[test]
    fn an_event_takes_at_most_128_bytes() {
        let bytes = size_of::<Event>();
        assert!(bytes <= 128, "{bytes} bytes");
    }

    #[test]
    fn a_missing_field_is_named() {
        let error = EventBody::from_json(r#"{"kind":"stop_decided"}"#).unwrap_err();
        assert!(
            error.to_string().contains("missing field `reason`"),
            "{error}"
        );
    }

    #[test]
    fn an_entry_is_one_flat_object_wherever_its_kind_stands() {
        let resumed = RunResumed {
            engine_version: "1".to_owned(),
        };
        let body = EventBody::from(Fact::RunResumed(resumed));
        let json = serde_json::to_string(&body).unwrap();
        assert_eq!(json, r#"{"kind":"run_resumed","engine_version":"1"}"#);
        let turned = r#"{"engine_version":"1","kind":"run_resumed"}"#;
        for json in [json.as_str(), turned] {
            assert_eq!(EventBody::from_json(json).unwrap(), body);
        }
        let paused = EventBody::from(Fact::RunPaused(SteeredBy::default()));
        assert_eq!(
            serde_json::to_string(&paused).unwrap(),
            r#"{"kind":"run_paused"}"#
        );
        assert_eq!(
            EventBody::from_json(r#"{"kind":"run_paused"}"#).unwrap(),
            paused
        );
    }
}
