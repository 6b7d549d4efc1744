//! The row of a run, and its summary: a fold of the run's events.

use gepa_archive::CandidateIndex;
use gepa_evaluation::{ExampleId, PromptTemplate};
use serde::{Deserialize, Serialize};

use super::super::column::columns;
use super::super::endings::Endings;
use super::super::scores_seen::ScoresSeen;
use super::act::{ActRow, is_always_shown, what_was_named};
use crate::config::BudgetSettings;
use crate::counters::Counters;
use crate::event::{
    ArchiveRevised, CandidateAccepted, CloseReason, Decision, Event, EventBody, Fact, Leader,
    RowExtended, RunFinished, RunOrigin, SnapshotTag, SnapshotTaken, SteeredBy, ValidationResult,
};
use crate::ids::{RunId, Seq, Timestamp};
use crate::stop::StopReason;

/// Rests that a summary holds.
const MOST_RESTS: usize = 1_000;

/// A run: its settings when it was created, and its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// The run.
    pub run_id: RunId,
    /// The name given in its configuration.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// The configuration, without secrets: that of a file as it was written, or the complete settings of a
    /// library call.
    pub config: serde_json::Value,
    /// The policy's provider, after overrides.
    pub policy_provider: String,
    /// The policy's model, after overrides.
    pub policy_model: String,
    /// How a candidate becomes messages.
    pub template: PromptTemplate,
    /// The pareto examples, in order.
    pub pareto: Vec<ExampleId>,
    /// The validation examples, in order.
    pub validation: Vec<ExampleId>,
    /// Its state.
    pub summary: RunSummary,
}

impl RunRow {
    /// A setting of the run, by its section and key; `None` where the config leaves it out. The config of a file
    /// stands under `settings`, the settings of a library call stand at the top.
    pub fn setting(&self, section: &str, key: &str) -> Option<&serde_json::Value> {
        let settings = self.config.get("settings").unwrap_or(&self.config);
        settings.get(section)?.get(key)
    }
}

/// The state of a run after the event `seq`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSummary {
    /// The last event included.
    pub seq: Seq,
    /// Its status.
    pub status: RunStatus,
    /// When the first event was journaled.
    pub started_at: Option<Timestamp>,
    /// When the last event was journaled.
    pub updated_at: Option<Timestamp>,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
    /// Seconds for which processes worked on it, without the time between processes.
    pub active_seconds: f64,
    /// The times that do not count as work, oldest first, at most 1000 of them; absent in rows of runs
    /// that a version before 0.2 began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rests: Option<Vec<Rest>>,
    /// The last entry about the limits on model calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits_seq: Option<Seq>,
    /// The limits in force; absent if a version before 0.2 began the run and they were never
    /// changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<BudgetSettings>,
    /// The run that it branches from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<RunOrigin>,
    /// All counters.
    pub counters: Counters,
    /// How proposals ended; absent in rows of runs that a version before 0.2 began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endings: Option<Endings>,
    /// The range of its scores; absent in rows of runs that a version before 0.2 began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<ScoresSeen>,
    /// The seed's mean pareto score.
    pub baseline_score: Option<f64>,
    /// The best mean pareto score.
    pub best_score: Option<f64>,
    /// The candidate with the best mean pareto score.
    pub best: Option<CandidateIndex>,
    /// The seed's mean validation score.
    pub baseline_validation_score: Option<f64>,
    /// The best candidate's mean validation score.
    pub best_validation_score: Option<f64>,
    /// Whether rows of pareto scores grow, so that candidates may not have been run on every example.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rows_grow: bool,
    /// Size of the front after dominated removal.
    pub front_size: u64,
    /// Why it stopped; `None` while it runs.
    pub stop_reason: Option<StopReason>,
    /// Whether the user paused the run. A pause outlasts interruptions.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Why it was interrupted; `None` if it was not, or was resumed since.
    pub interruption: Option<String>,
    /// Validation results, baseline first.
    pub validation: Vec<ValidationResult>,
    /// Snapshots taken.
    pub snapshots: u64,
    /// What people did to the run, in the order of the journal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acts: Vec<ActRow>,
    /// The last decision by which an act changed the archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revised_seq: Option<Seq>,
    /// Examples that a person excluded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<ExampleId>,
    /// Candidates that a person vetoed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vetoed: Vec<CandidateIndex>,
    /// The hint in force for the reflection model; empty if there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

/// A time in which no process worked on the run, or the run was paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// The last event before it.
    pub from: Timestamp,
    /// The event that ended it.
    pub to: Timestamp,
    /// Whether it was a pause; otherwise no process worked on the run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

/// The state of a run, for people and clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunStatus {
    /// The run is created, and its journal is empty.
    #[default]
    Queued,
    /// The run is running, or its process was killed; the claim shows which.
    Running,
    /// The run is paused: nothing is started until the user ends the pause.
    Paused,
    /// The run was stopped by a signal or because the provider was down. It can be resumed.
    Interrupted,
    /// The run finished with a result.
    Succeeded,
    /// The run finished without a result.
    Failed,
    /// The run ended at once because the user asked it to.
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

    /// Whether the run is over: succeeded, failed or cancelled.
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
    /// Adds the next event.
    pub fn take_in(&mut self, event: &Event) {
        self.advance_clock(event);
        self.counters.count(&event.body);
        if let Some(endings) = &mut self.endings {
            endings.count(&event.body);
        }
        self.seq = event.seq;
        match &event.body {
            EventBody::Fact(fact) => {
                self.note_act(fact, event);
                self.take_in_fact(fact, event.at);
            }
            EventBody::Decision(decision) => self.take_in_decision(decision, event.at),
        }
    }

    fn take_in_fact(&mut self, fact: &Fact, at: Timestamp) {
        match fact {
            Fact::RolloutSettled(settled) => {
                if let (Some(scores), Some(scored)) = (&mut self.scores, settled.outcome.scored()) {
                    scores.count(scored.score);
                }
            }
            Fact::RunResumed(_) => {
                self.status = self.unless_paused(RunStatus::Running);
                self.interruption = None;
            }
            // Earlier versions wrote an interruption after the end if a signal came during the last calls.
            Fact::RunInterrupted(_) if self.status.is_terminal() => {}
            Fact::RunInterrupted(interrupted) => {
                self.status = self.unless_paused(RunStatus::Interrupted);
                self.interruption = Some(interrupted.reason.clone());
            }
            Fact::RunPaused(_) => {
                self.paused = true;
                self.status = RunStatus::Paused;
            }
            Fact::RunContinued(by) => {
                self.paused = false;
                self.status = RunStatus::Running;
                self.rest_if(by, "its pause was ended while no process worked on it");
            }
            Fact::SettingsChanged(changed) => {
                self.limits = Some(changed.settings.budget.clone());
            }
            Fact::LimitsChanged(changed) => {
                self.go_on_under(&changed.after);
                self.rest_if(
                    &changed.by,
                    "its limits were set while no process worked on it",
                );
            }
            Fact::CallLimitsNoted(_) => self.limits_seq = Some(self.seq),
            Fact::RunAbandoned(abandoned) => self.end(&abandoned.reason, at),
            Fact::CandidateVetoed(vetoed) => self.vetoed.push(vetoed.candidate),
            Fact::HintGiven(given) => self.hint.clone_from(&given.text),
            Fact::ExampleExcluded(excluded) if !self.excluded.contains(&excluded.example) => {
                self.excluded.push(excluded.example.clone());
            }
            _ => {}
        }
    }

    fn take_in_decision(&mut self, decision: &Decision, at: Timestamp) {
        match decision {
            Decision::RunStarted(started) => {
                self.status = RunStatus::Running;
                self.endings = Some(Endings::default());
                self.rests = Some(Vec::new());
                self.scores = started.scores.map(ScoresSeen::on);
                self.limits.clone_from(&started.limits);
                self.origin.clone_from(&started.origin);
            }
            Decision::CandidateAccepted(accepted) => self.accept(accepted),
            Decision::RowExtended(extended) => self.extend(extended),
            Decision::ArchiveRevised(revised) => self.revise(revised),
            Decision::SnapshotTaken(taken) => self.snapshot(taken),
            Decision::StopDecided(stop) => self.stop_reason = Some(stop.reason.clone()),
            Decision::RunFinished(finished) => self.finish(finished, at),
            _ => {}
        }
    }

    /// A run that goes on, but on which no process works yet, waits for its resumption.
    fn rest_if(&mut self, by: &SteeredBy, why: &str) {
        if by.at_rest && self.status == RunStatus::Running {
            self.status = RunStatus::Interrupted;
            self.interruption = Some(why.to_owned());
        }
    }

    /// A run that was over or about to end goes on.
    fn go_on_under(&mut self, limits: &BudgetSettings) {
        self.limits = Some(limits.clone());
        // The core goes on only from an end that other limits remove, even where the run counts as
        // failed because no reflection ever gave a text.
        let is_over = self.finished_at.is_some();
        let has_ended = self
            .stop_reason
            .take_if(|reason| is_over || reason.can_be_lifted())
            .is_some();
        if has_ended {
            self.finished_at = None;
            self.validation.clear();
            self.baseline_validation_score = None;
            self.best_validation_score = None;
            self.status = self.unless_paused(RunStatus::Running);
        }
    }

    /// A pause lasts until the user ends it, even if the process that works on the run stops.
    fn unless_paused(&self, status: RunStatus) -> RunStatus {
        if self.paused {
            RunStatus::Paused
        } else {
            status
        }
    }

    /// The time before a resumption and the time of a pause do not count as work.
    fn advance_clock(&mut self, event: &Event) {
        let waited = match &event.body {
            EventBody::Fact(
                Fact::RunResumed(_) | Fact::RunContinued(_) | Fact::RunAbandoned(_),
            ) => true,
            EventBody::Fact(fact) => fact.steered_by().is_some_and(|by| by.at_rest),
            EventBody::Decision(_) => false,
        };
        match self.updated_at {
            Some(updated_at) if waited => self.rest(updated_at, event.at),
            Some(updated_at) => self.active_seconds += event.at.seconds_since(updated_at),
            None => {}
        }
        self.started_at.get_or_insert(event.at);
        self.updated_at = Some(event.at);
    }

    fn rest(&mut self, from: Timestamp, to: Timestamp) {
        let paused = self.paused;
        let Some(rests) = self.rests.as_mut().filter(|_| from < to) else {
            return;
        };
        let has_room = rests.len() < MOST_RESTS;
        match rests.last_mut() {
            Some(last) if last.to == from && last.paused == paused => last.to = to,
            _ if has_room => rests.push(Rest { from, to, paused }),
            _ => {}
        }
    }

    fn accept(&mut self, accepted: &CandidateAccepted) {
        if accepted.iteration == 0 {
            self.baseline_score = Some(accepted.mean_score);
        }
        if let Some(leader) = &accepted.leader {
            self.follow(leader);
        } else if accepted.best {
            self.best_score = Some(accepted.mean_score);
            self.best = Some(accepted.index);
        }
        self.front_size = accepted.front.len() as u64;
    }

    fn extend(&mut self, extended: &RowExtended) {
        if extended.candidate == CandidateIndex(0) {
            self.baseline_score = Some(extended.mean_score);
        }
        self.follow(&extended.leader);
        self.front_size = extended.front.len() as u64;
    }

    fn note_act(&mut self, fact: &Fact, event: &Event) {
        let Some(by) = fact.steered_by() else {
            return;
        };
        let is_program = by.is_unknown() && !is_always_shown(fact);
        if let Some(what) = what_was_named(fact).filter(|_| !is_program) {
            self.acts.push(ActRow {
                seq: event.seq,
                at: event.at,
                act: fact.kind().to_owned(),
                what,
                by: by.clone(),
            });
        }
    }

    fn revise(&mut self, revised: &ArchiveRevised) {
        self.revised_seq = Some(self.seq);
        let seed = revised.means.iter().find(|one| one.candidate.0 == 0);
        if let Some(seed) = seed {
            self.baseline_score = seed.mean_score;
        }
        self.best = revised.best;
        self.best_score = revised.best_score;
        self.front_size = revised.front.len() as u64;
    }

    fn follow(&mut self, leader: &Leader) {
        self.rows_grow = true;
        self.best_score = Some(leader.mean_score);
        self.best = Some(leader.candidate);
    }

    fn snapshot(&mut self, taken: &SnapshotTaken) {
        self.snapshots = taken.ordinal;
        if let (SnapshotTag::Final, Some(score)) = (taken.tag, taken.score) {
            // The winner may differ from the best candidate by mean score, which was recorded so
            // far.
            self.best = Some(taken.subject);
            self.best_score = Some(score);
        }
    }

    fn finish(&mut self, finished: &RunFinished, at: Timestamp) {
        self.end(&finished.stop_reason, at);
        // A run whose reflections all failed has searched nothing, so it has failed.
        let endings = self.endings.as_ref();
        let unread = endings.map_or(0, |all| all.closed_by(CloseReason::Reflection));
        let never_rewritten = endings.and_then(Endings::never_rewritten);
        if let (RunStatus::Succeeded, Some(problem)) = (self.status, never_rewritten) {
            self.stop_reason = Some(StopReason::ReflectionFailures {
                iterations: unread,
                accepted: 0,
                message: problem.to_owned(),
            });
            self.status = RunStatus::Failed;
        }
        // Without a candidate there is no result, for every reason to end.
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
