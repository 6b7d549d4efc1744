//! Turns journal events into API events. It is a pure fold: the same journal always gives the same
//! events with the same numbers.

use gepa_engine::record::{Projector, RunRow, RunSummary};
use gepa_engine::{
    CandidateAccepted, CandidateProposed, Decision, Event, EventBody, Fact, GateDecided, RunId,
    RunStarted, StopReason, Timestamp, TrialFinished,
};
use gepa_evaluation::{ExampleId, Phase, PromptTemplate, Stage};
use serde_json::{Value, json};

use super::candidates::{Candidates, full_text, replacements};
use super::envelope::{ApiEvent, Draft, Level};
use super::final_events::FinalEvents;
use super::minibatches::Minibatches;
use super::pace::ProgressPace;
use super::progress::RunProgress;
use crate::mark::JobMark;

/// A point of the score curve.
#[derive(Clone, Debug)]
pub struct MetricPoint {
    /// Its number, from 1.
    pub step: u64,
    /// The mean score.
    pub value: f64,
    /// Examples with a score.
    pub scored: u32,
    /// The stage of its trial.
    pub stage: Stage,
    /// When the trial finished.
    pub at: Timestamp,
}

/// The state of the fold.
#[derive(Debug)]
pub struct EventFold {
    job: RunId,
    template: PromptTemplate,
    pareto: Vec<ExampleId>,
    validation: Vec<ExampleId>,
    train: Value,
    projector: Projector,
    candidates: Candidates,
    minibatches: Minibatches,
    run_progress: RunProgress,
    pace: ProgressPace,
    points: Vec<MetricPoint>,
    published: u64,
    /// Whether a rollout was executed since the last event about an interruption.
    is_news: bool,
    is_over: bool,
}

impl EventFold {
    /// The fold before the first journal event, and the API event that every job begins with.
    pub fn new(run: &RunRow) -> (Self, ApiEvent) {
        let mark = JobMark::of(run);
        let mut fold = Self {
            job: run.run_id.clone(),
            template: run.template.clone(),
            pareto: run.pareto.clone(),
            validation: run.validation.clone(),
            train: mark
                .as_ref()
                .map_or_else(|| json!(run.pareto), |mark| json!(mark.train_seeds)),
            projector: Projector::new(run.run_id.clone(), RunSummary::default()),
            candidates: Candidates::default(),
            minibatches: Minibatches::default(),
            run_progress: RunProgress {
                planned: JobMark::planned_rollouts(run),
                ..RunProgress::default()
            },
            pace: ProgressPace::default(),
            points: Vec::new(),
            published: 0,
            is_news: true,
            is_over: false,
        };
        let policy = format!("{}/{}", run.policy_provider, run.policy_model);
        let created = Draft::new(
            "prompt.learning.created",
            format!("Job `{}` created", run.name),
            json!({"name": run.name, "policy": policy, "algorithm": "gepa"}),
        );
        let created = fold.publish(created, run.created_at);
        (fold, created)
    }

    /// Folds the next journal event and returns the API events that it causes.
    pub fn take_in(&mut self, event: &Event) -> Vec<ApiEvent> {
        if self.is_over {
            return Vec::new();
        }
        match &event.body {
            // Only decisions change candidates, and the row of a rollout is larger than its event.
            EventBody::Fact(_) => self.projector.note(event),
            EventBody::Decision(_) => {
                for change in self.projector.apply(event) {
                    self.candidates.change(change);
                }
            }
        }
        let drafts = self.drafts(event);
        let published = drafts.into_iter();
        published
            .map(|draft| self.publish(draft, event.at))
            .collect()
    }

    /// Whether the job's last event has been returned.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// The points of the score curve so far: mean scores on the pareto set.
    pub fn points(&self) -> &[MetricPoint] {
        &self.points
    }

    fn publish(&mut self, draft: Draft, at: Timestamp) -> ApiEvent {
        self.published += 1;
        draft.numbered(&self.job, self.published, at)
    }

    fn drafts(&mut self, event: &Event) -> Vec<Draft> {
        let at = event.at;
        match &event.body {
            EventBody::Decision(Decision::RunStarted(started)) => self.started(started, at),
            EventBody::Decision(Decision::TrialStarted(started)) => {
                self.minibatches.started(started);
                self.run_progress.trial_began(started);
                if started.stage.phase() == Phase::Optimization {
                    return Vec::new();
                }
                self.run_progress.validation_begun += 1;
                if self.run_progress.validation_begun > 1 {
                    return Vec::new();
                }
                vec![phase_changed(Phase::Validation), self.progress(at)]
            }
            EventBody::Fact(Fact::RolloutSettled(settled)) => {
                self.minibatches.settled(settled);
                self.run_progress.executed(settled);
                self.executed(at)
            }
            EventBody::Fact(Fact::RolloutSuspended(suspended)) => {
                self.run_progress.executed(suspended);
                self.executed(at)
            }
            EventBody::Fact(Fact::RolloutsDropped(dropped)) => {
                self.run_progress.dropped(dropped);
                Vec::new()
            }
            EventBody::Decision(Decision::TrialFinished(finished)) => {
                self.minibatches.finished(finished);
                self.run_progress.trial_ended(finished);
                self.trial_finished(finished, at)
            }
            EventBody::Decision(Decision::CandidateProposed(proposed)) => self.proposed(proposed),
            EventBody::Decision(Decision::GateDecided(gate)) => self.scored(gate),
            EventBody::Decision(Decision::CandidateAccepted(accepted)) => Self::accepted(accepted),
            EventBody::Fact(Fact::RunInterrupted(interrupted)) if self.is_news => {
                self.is_news = false;
                let data = json!({"provider_down": interrupted.provider_down});
                let message = format!("Interrupted: {}", interrupted.reason);
                let draft = Draft::new("prompt.learning.interrupted", message, data);
                vec![draft.at_level(Level::Warning)]
            }
            EventBody::Fact(Fact::RunPaused(_)) => vec![simple("prompt.learning.paused", "Paused")],
            EventBody::Fact(Fact::RunContinued(_)) => {
                vec![simple("prompt.learning.resumed", "Resumed after a pause")]
            }
            EventBody::Decision(Decision::RunFinished(finished)) => {
                self.ended(&finished.stop_reason, at)
            }
            EventBody::Fact(Fact::RunAbandoned(abandoned)) => self.ended(&abandoned.reason, at),
            _ => Vec::new(),
        }
    }

    /// After a rollout that was executed.
    fn executed(&mut self, at: Timestamp) -> Vec<Draft> {
        self.is_news = true;
        let is_due = self.pace.is_due(at);
        is_due.then(|| self.progress_now()).into_iter().collect()
    }

    fn started(&mut self, started: &RunStarted, at: Timestamp) -> Vec<Draft> {
        let sizes = json!({
            "train": started.train, "pareto": started.pareto, "validation": started.validation,
        });
        let seeds = self.train.as_array().map_or(0, Vec::len);
        vec![
            Draft::new("prompt.learning.gepa.start", "GEPA started", sizes),
            Draft::new(
                "prompt.learning.rollouts.start",
                format!("Starting rollouts over {seeds} train seeds"),
                json!({"train_seeds": self.train}),
            ),
            phase_changed(Phase::Optimization),
            self.progress(at),
        ]
    }

    fn trial_finished(&mut self, finished: &TrialFinished, at: Timestamp) -> Vec<Draft> {
        let stage = finished.stage;
        if stage.phase() == Phase::Validation {
            self.run_progress.validation_finished += 1;
        }
        let (true, Some(mean)) = (
            matches!(stage, Stage::Seed | Stage::Pareto),
            finished.mean_score,
        ) else {
            return Vec::new();
        };
        self.points.push(MetricPoint {
            step: self.points.len() as u64 + 1,
            value: mean,
            scored: finished.scored,
            stage,
            at,
        });
        let Some(tried) = self.candidates.shown(finished.trial.iteration) else {
            return Vec::new();
        };
        let total = finished.scored + finished.failed;
        vec![Draft::new(
            "prompt.learning.trial.results",
            format!(
                "Trial of iteration {}: mean {mean:.4}",
                finished.trial.iteration
            ),
            json!({
                "mean": mean,
                "completed": total,
                "total": total,
                "failed": finished.failed,
                "stage": stage.as_str(),
                "phase": stage.phase().as_str(),
                "iteration": finished.trial.iteration,
                "trial_index": finished.trial.index,
                "candidate_id": tried.candidate_id,
            }),
        )]
    }

    fn proposed(&self, proposed: &CandidateProposed) -> Vec<Draft> {
        let iteration = proposed.iteration;
        let Some(tried) = self.candidates.shown(iteration) else {
            return Vec::new();
        };
        let origin = proposed.origin.as_str();
        let sections = self.template.sections(&proposed.candidate);
        let seed = self.candidates.seed_sections(&self.template);
        let replaced = replacements(&sections, &seed);
        let parent = proposed.parents.first();
        let parent = parent.and_then(|index| self.candidates.member(*index));
        let changed: Vec<&str> = proposed
            .candidate
            .components()
            .iter()
            .filter(|(name, text)| parent.and_then(|row| row.components.text(name)) != Some(*text))
            .map(|(name, _)| &**name)
            .collect();
        vec![Draft::new(
            "gepa.transformation.proposed",
            format!("Iteration {iteration} proposed a candidate by {origin}"),
            json!({
                "generation": iteration,
                "mutation_type": origin,
                "operator": origin,
                "transformation_id": tried.candidate_id,
                "parent_id": parent.map(|row| row.candidate_id),
                "transformation_text": full_text(&sections),
                "transformation_dict": {"sections": sections, "text_replacements": replaced},
                "mutation_params": {"components": changed, "parents": proposed.parents},
            }),
        )]
    }

    fn scored(&self, gate: &GateDecided) -> Vec<Draft> {
        let tried = self.candidates.shown(gate.iteration);
        let Some(tried) = tried.filter(|_| gate.compared > 0) else {
            return Vec::new();
        };
        let mean = |sum: f64| sum / f64::from(gate.compared);
        let verdict = if gate.passed { "passed" } else { "rejected" };
        vec![Draft::new(
            "prompt.learning.proposal.scored",
            format!(
                "Candidate of iteration {} {verdict} on its minibatch with {:.4}",
                gate.iteration,
                mean(gate.child_sum)
            ),
            json!({
                "score": mean(gate.child_sum),
                "parent_score": mean(gate.parent_sum),
                "passed": gate.passed,
                "n": gate.compared,
                "iteration": gate.iteration,
                "transformation_id": tried.candidate_id,
            }),
        )]
    }

    fn accepted(accepted: &CandidateAccepted) -> Vec<Draft> {
        if !accepted.best || accepted.iteration == 0 {
            return Vec::new();
        }
        vec![Draft::new(
            "prompt.learning.gepa.new_best",
            format!(
                "Candidate {} is the new best with {:.4}",
                accepted.index, accepted.mean_score
            ),
            json!({
                "best_score": accepted.mean_score,
                "transformation_id": accepted.candidate,
                "index": accepted.index,
                "iteration": accepted.iteration,
                "instance_scores": accepted.scores,
            }),
        )]
    }

    fn ended(&mut self, reason: &StopReason, at: Timestamp) -> Vec<Draft> {
        self.is_over = true;
        let mut drafts = vec![self.progress(at)];
        let final_events = FinalEvents {
            job: &self.job,
            template: &self.template,
            pareto: &self.pareto,
            validation: &self.validation,
            minibatches: &self.minibatches,
            summary: self.projector.summary(),
            candidates: &self.candidates,
            reason,
        };
        drafts.extend(final_events.drafts());
        drafts
    }

    /// A progress event that is sent even if none is due.
    fn progress(&mut self, at: Timestamp) -> Draft {
        self.pace.report(at);
        self.progress_now()
    }

    fn progress_now(&mut self) -> Draft {
        let (message, data) = self.run_progress.describe(self.projector.summary());
        Draft::of_progress(message, data)
    }
}

fn phase_changed(phase: Phase) -> Draft {
    let name = phase.as_str();
    let data = json!({"phase": name});
    Draft::new(
        "prompt.learning.phase.changed",
        format!("Phase: {name}"),
        data,
    )
}

fn simple(kind: &'static str, message: &str) -> Draft {
    Draft::new(kind, message, json!({}))
}
