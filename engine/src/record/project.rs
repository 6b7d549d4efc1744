//! From events to changes of rows: the one place that says what the journal means for the tables.

use gepa_archive::{Candidate, CandidateIndex, Origin};
use gepa_evaluation::{Outcome, PromptTemplate, Usage};

use super::rows::{
    ArtifactRow, CandidateRow, CandidateStatus, GateRow, ReflectionRow, RolloutRow, RunStatus,
    RunSummary, SnapshotRow, TrialRow,
};
use super::tokens::token_estimate;
use crate::event::{
    CandidateAccepted, CloseReason, Decision, Event, EventBody, Fact, RolloutSettled, RunFinished,
    SnapshotTaken, ValidationResult,
};
use crate::ids::{RunId, Seq, Timestamp, TrialKey, snapshot_id};
use crate::stop::StopReason;

/// One change of the tables.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A new candidate row.
    Candidate(Box<CandidateRow>),
    /// What the gate said about an iteration's candidate.
    Gate(u64, GateRow),
    /// An iteration's candidate was accepted, by the event `Seq`.
    Accepted(Box<CandidateAccepted>, Seq),
    /// A candidate left the archive.
    Evicted(CandidateIndex, Seq),
    /// An iteration's candidate, if it has one, was not accepted.
    Closed(u64, CloseReason),
    /// A candidate's validation result.
    Validated(ValidationResult),
    /// A new trial row.
    Trial(Box<TrialRow>),
    /// A trial's result.
    TrialFinished {
        /// The trial.
        key: TrialKey,
        /// Mean score.
        mean_score: Option<f64>,
        /// Rollouts with a score.
        scored: u32,
        /// Rollouts without one.
        failed: u32,
        /// When.
        at: Timestamp,
    },
    /// A new rollout row.
    Rollout(Box<RolloutRow>),
    /// A rollout that was tried again: replaces outcome, end and event; adds attempts and usage.
    RolloutAgain(Box<RolloutRow>),
    /// A new reflection row.
    Reflection(Box<ReflectionRow>),
    /// A new snapshot row.
    Snapshot(Box<SnapshotRow>),
    /// A new artifact row.
    Artifact(Box<ArtifactRow>),
}

/// Folds a run's events into its summary and the changes of its rows.
#[derive(Clone, Debug)]
pub struct Projector {
    run_id: RunId,
    template: PromptTemplate,
    summary: RunSummary,
}

impl Projector {
    /// A projector for a run that stands at `summary`.
    pub fn new(run_id: RunId, template: PromptTemplate, summary: RunSummary) -> Self {
        Self {
            run_id,
            template,
            summary,
        }
    }

    /// How the run stands.
    pub fn summary(&self) -> &RunSummary {
        &self.summary
    }

    /// Takes the next event in; `candidate` finds the row of an accepted candidate.
    pub fn apply(
        &mut self,
        event: &Event,
        candidate: impl Fn(CandidateIndex) -> Option<CandidateRow>,
    ) -> Vec<Change> {
        self.advance_clock(event);
        self.summary.counters.count(&event.body);
        self.summary.seq = event.seq;
        self.changes(event, candidate)
    }

    fn changes(
        &mut self,
        event: &Event,
        candidate: impl Fn(CandidateIndex) -> Option<CandidateRow>,
    ) -> Vec<Change> {
        let (seq, at) = (event.seq, event.at);
        match &event.body {
            EventBody::Decision(Decision::RunStarted(started)) => {
                self.summary.status = RunStatus::Running;
                let row = self.candidate_row(0, &started.seed, Origin::Seed, at);
                vec![Change::Candidate(Box::new(row))]
            }
            EventBody::Decision(Decision::CandidateProposed(proposed)) => {
                let mut row = self.candidate_row(
                    proposed.iteration,
                    &proposed.candidate,
                    proposed.origin,
                    at,
                );
                row.parents.clone_from(&proposed.parents);
                vec![Change::Candidate(Box::new(row))]
            }
            EventBody::Decision(Decision::TrialStarted(started)) => {
                vec![Change::Trial(Box::new(TrialRow {
                    run_id: self.run_id.clone(),
                    trial_id: started.trial.id(&self.run_id),
                    key: started.trial,
                    candidate_id: started.candidate,
                    phase: started.stage.phase(),
                    stage: started.stage,
                    examples: started.examples.clone(),
                    reused: started.reused,
                    scored: None,
                    failed: None,
                    mean_score: None,
                    executed: 0,
                    usage: Usage::default(),
                    started_at: at,
                    finished_at: None,
                }))]
            }
            EventBody::Decision(Decision::TrialFinished(finished)) => vec![Change::TrialFinished {
                key: finished.trial,
                mean_score: finished.mean_score,
                scored: finished.scored,
                failed: finished.failed,
                at,
            }],
            EventBody::Fact(Fact::RolloutSettled(settled) | Fact::RolloutSuspended(settled)) => {
                let row = Box::new(self.rollout_row(settled, seq));
                vec![if settled.again {
                    Change::RolloutAgain(row)
                } else {
                    Change::Rollout(row)
                }]
            }
            EventBody::Fact(Fact::ReflectionSettled(settled)) => {
                vec![Change::Reflection(Box::new(ReflectionRow {
                    run_id: self.run_id.clone(),
                    iteration: settled.iteration,
                    component: settled.component.clone(),
                    attempt: settled.attempt,
                    failure: settled.failure.clone(),
                    usage: settled.usage,
                    started_at: settled.started_at,
                    finished_at: settled.finished_at,
                    seq,
                }))]
            }
            EventBody::Decision(Decision::GateDecided(gate)) => vec![Change::Gate(
                gate.iteration,
                GateRow {
                    passed: gate.passed,
                    compared: gate.compared,
                    parent_sum: gate.parent_sum,
                    child_sum: gate.child_sum,
                },
            )],
            EventBody::Decision(Decision::ProposalClosed(closed)) => {
                vec![Change::Closed(closed.iteration, closed.reason)]
            }
            EventBody::Decision(Decision::CandidateAccepted(accepted)) => {
                self.accepted(accepted, seq)
            }
            EventBody::Decision(Decision::SnapshotTaken(taken)) => {
                self.snapshot(taken, event, &candidate)
            }
            EventBody::Decision(Decision::RunFinished(finished)) => self.finished(finished, at),
            other => {
                self.steer(other, at);
                Vec::new()
            }
        }
    }

    /// Events that change how the run stands, and no row.
    fn steer(&mut self, body: &EventBody, at: Timestamp) {
        match body {
            EventBody::Fact(Fact::RunResumed(_)) => {
                self.summary.status = self.unless_paused(RunStatus::Running);
                self.summary.interruption = None;
            }
            EventBody::Fact(Fact::RunInterrupted(interrupted)) => {
                self.summary.status = self.unless_paused(RunStatus::Interrupted);
                self.summary.interruption = Some(interrupted.reason.clone());
            }
            EventBody::Fact(Fact::RunPaused) => {
                self.summary.paused = true;
                self.summary.status = RunStatus::Paused;
            }
            EventBody::Fact(Fact::RunContinued) => {
                self.summary.paused = false;
                self.summary.status = RunStatus::Running;
            }
            EventBody::Decision(Decision::StopDecided(stop)) => {
                self.summary.stop_reason = Some(stop.reason.clone());
            }
            EventBody::Fact(Fact::RunAbandoned(abandoned)) => self.end(&abandoned.reason, at),
            _ => {}
        }
    }

    /// A pause outlasts the processes that work on a run.
    fn unless_paused(&self, status: RunStatus) -> RunStatus {
        if self.summary.paused {
            RunStatus::Paused
        } else {
            status
        }
    }

    /// Time between an interruption (or a kill) and the resumption is nobody's work, nor is a pause.
    fn advance_clock(&mut self, event: &Event) {
        let waited = matches!(
            event.body,
            EventBody::Fact(Fact::RunResumed(_) | Fact::RunContinued | Fact::RunAbandoned(_))
        );
        if let (Some(updated_at), false) = (self.summary.updated_at, waited) {
            self.summary.active_seconds += event.at.seconds_since(updated_at);
        }
        self.summary.started_at.get_or_insert(event.at);
        self.summary.updated_at = Some(event.at);
    }

    fn candidate_row(
        &self,
        iteration: u64,
        candidate: &Candidate,
        origin: Origin,
        at: Timestamp,
    ) -> CandidateRow {
        CandidateRow {
            run_id: self.run_id.clone(),
            iteration,
            candidate_id: candidate.content_id(),
            index: None,
            origin,
            parents: Vec::new(),
            status: CandidateStatus::Proposed,
            close_reason: None,
            gate: None,
            mean_score: None,
            scores: None,
            objectives: indexmap::IndexMap::new(),
            validation_score: None,
            validation_scores: None,
            accepted_seq: None,
            evicted_seq: None,
            created_at: at,
            components: candidate.clone(),
        }
    }

    fn rollout_row(&self, settled: &RolloutSettled, seq: Seq) -> RolloutRow {
        let (score, failure, error) = match &*settled.outcome {
            Outcome::Scored(scored) => (Some(scored.score), None, None),
            Outcome::Failed(failure) => (None, Some(failure.kind), Some(failure.message.clone())),
        };
        RolloutRow {
            run_id: self.run_id.clone(),
            key: settled.trial,
            position: settled.position,
            candidate_id: settled.candidate,
            phase: settled.stage.phase(),
            stage: settled.stage,
            example: settled.example.clone(),
            attempts: settled.attempts,
            score,
            failure,
            error,
            usage: settled.usage,
            judge_usage: settled.judge_usage,
            started_at: settled.started_at,
            finished_at: settled.finished_at,
            seq,
        }
    }

    fn accepted(&mut self, accepted: &CandidateAccepted, seq: Seq) -> Vec<Change> {
        if accepted.iteration == 0 {
            self.summary.baseline_score = Some(accepted.mean_score);
        }
        if accepted.best {
            self.summary.best_score = Some(accepted.mean_score);
            self.summary.best = Some(accepted.index);
        }
        self.summary.front_size = accepted.front.len() as u64;
        let mut changes = vec![Change::Accepted(Box::new(accepted.clone()), seq)];
        changes.extend(
            accepted
                .evicted
                .iter()
                .map(|index| Change::Evicted(*index, seq)),
        );
        changes
    }

    fn snapshot(
        &mut self,
        taken: &SnapshotTaken,
        event: &Event,
        candidate: &impl Fn(CandidateIndex) -> Option<CandidateRow>,
    ) -> Vec<Change> {
        self.summary.snapshots = taken.ordinal;
        let subject = candidate(taken.subject);
        let sections = subject
            .as_ref()
            .map(|row| self.template.sections(&row.components));
        let row = SnapshotRow {
            snapshot_id: snapshot_id(&self.run_id, taken.ordinal),
            run_id: self.run_id.clone(),
            ordinal: taken.ordinal,
            tag: taken.tag,
            best: taken.best,
            subject: taken.subject,
            score: subject
                .as_ref()
                .and_then(|row| row.mean_score)
                .unwrap_or_default(),
            token_count: sections.as_deref().map_or(0, token_estimate),
            created_at: event.at,
            seq: event.seq,
            counters: self.summary.counters.clone(),
            validation: self.summary.validation.clone(),
        };
        let artifact = ArtifactRow {
            run_id: self.run_id.clone(),
            snapshot_id: row.snapshot_id.clone(),
            label: format!("{} (candidate {})", taken.tag.as_str(), taken.subject),
            candidate: taken.subject,
            created_at: event.at,
        };
        vec![
            Change::Snapshot(Box::new(row)),
            Change::Artifact(Box::new(artifact)),
        ]
    }

    fn finished(&mut self, finished: &RunFinished, at: Timestamp) -> Vec<Change> {
        self.end(&finished.stop_reason, at);
        // Without a candidate there is no result, whatever ended the run.
        if finished.best.is_none() && self.summary.status == RunStatus::Succeeded {
            self.summary.status = RunStatus::Failed;
        }
        self.summary.validation.clone_from(&finished.validation);
        let score_of = |wanted: Option<CandidateIndex>| {
            finished
                .validation
                .iter()
                .find(|result| Some(result.candidate) == wanted)
                .and_then(|result| result.mean_score)
        };
        self.summary.baseline_validation_score = score_of(Some(CandidateIndex(0)));
        self.summary.best_validation_score = score_of(finished.best);
        finished
            .validation
            .iter()
            .cloned()
            .map(Change::Validated)
            .collect()
    }

    fn end(&mut self, reason: &StopReason, at: Timestamp) {
        self.summary.status = match reason {
            StopReason::Cancelled => RunStatus::Cancelled,
            reason if reason.is_failure() => RunStatus::Failed,
            _ => RunStatus::Succeeded,
        };
        self.summary.paused = false;
        self.summary.interruption = None;
        self.summary.stop_reason = Some(reason.clone());
        self.summary.finished_at = Some(at);
    }
}
