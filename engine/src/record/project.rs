//! Turns events into changes of rows. Only this file says what the journal means for the tables.

use gepa_archive::CandidateIndex;

use super::rows::{
    CandidateRow, GateRow, ReflectionRow, RolloutRow, RunSummary, SnapshotRow, TrialRow,
};
use crate::event::{
    CandidateAccepted, CloseReason, Decision, Event, EventBody, Fact, RevisedMean, RowExtended,
    TrialFinished, ValidationResult,
};
use crate::ids::{RunId, Seq, Timestamp};

/// One change of the tables.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A new candidate row.
    Candidate(Box<CandidateRow>),
    /// The gate's comparison for an iteration's candidate.
    Gate(u64, GateRow),
    /// An iteration's candidate was accepted, by the event `Seq`.
    Accepted(Box<CandidateAccepted>, Seq),
    /// The row of an accepted candidate became longer.
    Extended(Box<RowExtended>),
    /// The mean score of an accepted candidate changed, because an example was excluded.
    Mean(RevisedMean),
    /// A candidate left the archive, by the event `Seq`.
    Evicted(CandidateIndex, Seq),
    /// An iteration's candidate, if it has one, was not accepted.
    Closed(u64, CloseReason),
    /// A candidate's validation result.
    Validated(ValidationResult),
    /// A new trial row.
    Trial(Box<TrialRow>),
    /// A trial's result, and when it was known.
    TrialFinished(TrialFinished, Timestamp),
    /// A new rollout row.
    Rollout(Box<RolloutRow>),
    /// A rollout that failed was tried again: [`RolloutRow::after`] computes the new row.
    RolloutAgain(Box<RolloutRow>),
    /// A new reflection row.
    Reflection(Box<ReflectionRow>),
    /// A new snapshot row.
    Snapshot(Box<SnapshotRow>),
}

/// Why a change was not made: it fits no row, or the row to add exists already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit(pub String);

/// Folds a run's events into its summary and the changes of its rows.
#[derive(Clone, Debug)]
pub struct Projector {
    run_id: RunId,
    summary: RunSummary,
}

impl Projector {
    /// Creates a projector for a run that stands at `summary`.
    pub fn new(run_id: RunId, summary: RunSummary) -> Self {
        Self { run_id, summary }
    }

    /// The state of the run.
    pub fn summary(&self) -> &RunSummary {
        &self.summary
    }

    /// Adds the next event to the state of the run alone.
    pub fn note(&mut self, event: &Event) {
        self.summary.take_in(event);
    }

    /// Adds the next event and returns the changes of rows, in order.
    pub fn apply(&mut self, event: &Event) -> impl Iterator<Item = Change> + use<> {
        self.summary.take_in(event);
        let (by_fact, by_decision) = match &event.body {
            EventBody::Fact(fact) => (self.change_by_fact(fact, event.seq), Vec::new()),
            EventBody::Decision(decision) => (None, self.changes_by_decision(decision, event)),
        };
        by_fact.into_iter().chain(by_decision)
    }

    fn change_by_fact(&self, fact: &Fact, seq: Seq) -> Option<Change> {
        let run_id = || self.run_id.clone();
        match fact {
            Fact::RolloutSettled(settled) | Fact::RolloutSuspended(settled) => {
                let row = Box::new(RolloutRow::settled(run_id(), settled, seq));
                Some(if settled.again {
                    Change::RolloutAgain(row)
                } else {
                    Change::Rollout(row)
                })
            }
            Fact::ReflectionSettled(settled) => {
                let row = ReflectionRow::settled(run_id(), settled, seq);
                Some(Change::Reflection(Box::new(row)))
            }
            Fact::RunResumed(_)
            | Fact::RunInterrupted(_)
            | Fact::RunPaused(_)
            | Fact::RunContinued(_)
            | Fact::StopRequested(_)
            | Fact::RunAbandoned(_)
            | Fact::LimitsChanged(_)
            | Fact::SettingsChanged(_)
            | Fact::RolloutRecalled(_)
            | Fact::ReflectionRecalled(_)
            | Fact::CandidateInjected(_)
            | Fact::CandidateVetoed(_)
            | Fact::HintGiven(_)
            | Fact::ExampleExcluded(_)
            | Fact::PolicyDecided(_)
            | Fact::CallLimitsNoted(_)
            | Fact::AblationNoted(_)
            | Fact::RolloutsDropped(_) => None,
        }
    }

    fn changes_by_decision(&self, decision: &Decision, event: &Event) -> Vec<Change> {
        let (seq, at, run_id) = (event.seq, event.at, || self.run_id.clone());
        match decision {
            Decision::RunStarted(started) => {
                let origin = gepa_archive::Origin::Seed;
                let row =
                    CandidateRow::proposed(run_id(), 0, &started.seed, origin, Vec::new(), at);
                vec![Change::Candidate(Box::new(row))]
            }
            Decision::CandidateProposed(proposed) => {
                let row = CandidateRow::proposed(
                    run_id(),
                    proposed.iteration,
                    &proposed.candidate,
                    proposed.origin,
                    proposed.parents.clone(),
                    at,
                );
                vec![Change::Candidate(Box::new(row))]
            }
            Decision::TrialStarted(started) => {
                vec![Change::Trial(Box::new(TrialRow::started(
                    run_id(),
                    started,
                    at,
                )))]
            }
            Decision::TrialFinished(finished) => vec![Change::TrialFinished(finished.clone(), at)],
            Decision::GateDecided(gate) => {
                let row = GateRow {
                    passed: gate.passed,
                    compared: gate.compared,
                    parent_sum: gate.parent_sum,
                    child_sum: gate.child_sum,
                };
                vec![Change::Gate(gate.iteration, row)]
            }
            Decision::ProposalClosed(closed) => {
                vec![Change::Closed(closed.iteration, closed.reason)]
            }
            Decision::CandidateAccepted(accepted) => {
                let left = accepted.evicted.iter();
                let evicted = left.map(|index| Change::Evicted(*index, seq));
                let accepted = Change::Accepted(accepted.clone(), seq);
                std::iter::once(accepted).chain(evicted).collect()
            }
            Decision::ArchiveRevised(revised) => {
                let left = revised.withdrawn.iter();
                let left = left.map(|index| Change::Evicted(*index, seq));
                let means = revised.means.iter().map(|mean| Change::Mean(*mean));
                left.chain(means).collect()
            }
            Decision::SnapshotTaken(taken) => {
                let row = SnapshotRow::taken(run_id(), taken, &self.summary, at);
                vec![Change::Snapshot(Box::new(row))]
            }
            Decision::RunFinished(finished) => {
                let results = finished.validation.iter().cloned();
                results.map(Change::Validated).collect()
            }
            Decision::RowExtended(extended) => vec![Change::Extended(extended.clone())],
            Decision::ProposalIssued(_)
            | Decision::RungDecided(_)
            | Decision::RefinementIssued(_)
            | Decision::StopDecided(_) => Vec::new(),
        }
    }
}
