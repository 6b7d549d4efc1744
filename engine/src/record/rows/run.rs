//! The row of a run, and its summary: a fold of the run's events.

use gepa_archive::CandidateIndex;
use gepa_evaluation::{ExampleId, PromptTemplate};
use serde::{Deserialize, Serialize};

use super::super::column::columns;
use crate::config::BudgetSettings;
use crate::counters::Counters;
use crate::event::{
    CandidateAccepted, Decision, Event, EventBody, Fact, RunFinished, RunOrigin, SnapshotTag,
    SnapshotTaken, ValidationResult,
};
use crate::ids::{RunId, Seq, Timestamp};
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
    /// The limits in force; absent where the run was begun by a version before 0.2 and never got
    /// other ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<BudgetSettings>,
    /// The run that it branches from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<RunOrigin>,
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

columns! {
    RunRow in "runs" {
        run_id: ["run_id"];
        name: ["name"];
        created_at: ["created_at"];
        config: ["config"];
        policy_provider: ["policy_provider"];
        policy_model: ["policy_model"];
        template: ["template"];
        pareto: ["pareto"];
        validation: ["validation"];
        summary: ["summary"];
    }
}

impl RunSummary {
    /// Takes the next event in.
    pub fn take_in(&mut self, event: &Event) {
        self.advance_clock(event);
        self.counters.count(&event.body);
        self.seq = event.seq;
        match &event.body {
            EventBody::Fact(fact) => self.take_in_fact(fact, event.at),
            EventBody::Decision(decision) => self.take_in_decision(decision, event.at),
        }
    }

    fn take_in_fact(&mut self, fact: &Fact, at: Timestamp) {
        match fact {
            Fact::RunResumed(_) => {
                self.status = self.unless_paused(RunStatus::Running);
                self.interruption = None;
            }
            Fact::RunInterrupted(interrupted) => {
                self.status = self.unless_paused(RunStatus::Interrupted);
                self.interruption = Some(interrupted.reason.clone());
            }
            Fact::RunPaused => {
                self.paused = true;
                self.status = RunStatus::Paused;
            }
            Fact::RunContinued => {
                self.paused = false;
                self.status = RunStatus::Running;
            }
            Fact::SettingsChanged(changed) => {
                self.limits = Some(changed.settings.budget.clone());
            }
            Fact::LimitsChanged(changed) => self.go_on_under(&changed.after),
            Fact::RunAbandoned(abandoned) => self.end(&abandoned.reason, at),
            _ => {}
        }
    }

    fn take_in_decision(&mut self, decision: &Decision, at: Timestamp) {
        match decision {
            Decision::RunStarted(started) => {
                self.status = RunStatus::Running;
                self.limits.clone_from(&started.limits);
                self.origin.clone_from(&started.origin);
            }
            Decision::CandidateAccepted(accepted) => self.accept(accepted),
            Decision::SnapshotTaken(taken) => self.snapshot(taken),
            Decision::StopDecided(stop) => self.stop_reason = Some(stop.reason.clone()),
            Decision::RunFinished(finished) => self.finish(finished, at),
            _ => {}
        }
    }

    /// A run that was about to end, or over, goes on.
    fn go_on_under(&mut self, limits: &BudgetSettings) {
        self.limits = Some(limits.clone());
        let has_ended = self
            .stop_reason
            .take_if(|reason| reason.can_be_lifted())
            .is_some();
        if has_ended {
            self.finished_at = None;
            self.validation.clear();
            self.baseline_validation_score = None;
            self.best_validation_score = None;
            self.status = self.unless_paused(RunStatus::Running);
        }
    }

    /// A pause lasts until someone ends it, whatever becomes of the process that works on the run.
    fn unless_paused(&self, status: RunStatus) -> RunStatus {
        if self.paused {
            RunStatus::Paused
        } else {
            status
        }
    }

    /// The time before a resumption and the time of a pause are no work.
    fn advance_clock(&mut self, event: &Event) {
        let waited = matches!(
            event.body,
            EventBody::Fact(Fact::RunResumed(_) | Fact::RunContinued | Fact::RunAbandoned(_))
        );
        if let (Some(updated_at), false) = (self.updated_at, waited) {
            self.active_seconds += event.at.seconds_since(updated_at);
        }
        self.started_at.get_or_insert(event.at);
        self.updated_at = Some(event.at);
    }

    fn accept(&mut self, accepted: &CandidateAccepted) {
        if accepted.iteration == 0 {
            self.baseline_score = Some(accepted.mean_score);
        }
        if accepted.best {
            self.best_score = Some(accepted.mean_score);
            self.best = Some(accepted.index);
        }
        self.front_size = accepted.front.len() as u64;
    }

    fn snapshot(&mut self, taken: &SnapshotTaken) {
        self.snapshots = taken.ordinal;
        if let (SnapshotTag::Final, Some(score)) = (taken.tag, taken.score) {
            // The winner need not be the best by mean score, which was followed so far.
            self.best = Some(taken.subject);
            self.best_score = Some(score);
        }
    }

    fn finish(&mut self, finished: &RunFinished, at: Timestamp) {
        self.end(&finished.stop_reason, at);
        // Without a candidate there is no result, whatever ended the run.
        if finished.best.is_none() && self.status == RunStatus::Succeeded {
            self.status = RunStatus::Failed;
        }
        self.validation.clone_from(&finished.validation);
        let score_of = |wanted: Option<CandidateIndex>| {
            let mut results = finished.validation.iter();
            let result = results.find(|result| Some(result.candidate) == wanted);
            result.and_then(|result| result.mean_score)
        };
        self.baseline_validation_score = score_of(Some(CandidateIndex(0)));
        self.best_validation_score = score_of(finished.best);
    }

    fn end(&mut self, reason: &StopReason, at: Timestamp) {
        self.status = match reason {
            StopReason::Cancelled => RunStatus::Cancelled,
            reason if reason.is_failure() => RunStatus::Failed,
            _ => RunStatus::Succeeded,
        };
        self.paused = false;
        self.interruption = None;
        self.stop_reason = Some(reason.clone());
        self.finished_at = Some(at);
    }
}
