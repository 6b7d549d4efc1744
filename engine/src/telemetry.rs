//! Metrics, through the `metrics` facade; label sets are fixed and never hold run or candidate ids.
//!
//! | metric | kind | labels |
//! |---|---|---|
//! | `gepa_rollouts_total` | counter | `phase`, `stage`, `outcome` |
//! | `gepa_rollout_seconds` | histogram | `phase` |
//! | `gepa_rollout_attempts_total` | counter | `phase` |
//! | `gepa_tokens_total` | counter | `phase`, `purpose`, `kind` |
//! | `gepa_cost_micro_usd_total` | counter | `phase`, `purpose` |
//! | `gepa_reflections_total` | counter | `outcome` |
//! | `gepa_proposals_total` | counter | `outcome` |
//! | `gepa_snapshots_total` | counter | `tag` |
//! | `gepa_runs_total` | counter | `stop_reason` |
//! | `gepa_archive_candidates`, `gepa_front_candidates`, `gepa_best_score` | gauge | none; of the run decided on last |

use gepa_archive::Archive;
use gepa_evaluation::{Outcome, Phase, Purpose, Stage, Usage};
use metrics::{counter, gauge, histogram};

use crate::event::{CloseReason, Decision, Event, EventBody, Fact, RolloutSettled};

/// Counts a stored batch. Equal rollouts are counted together, because looking up a metric costs
/// more than counting.
pub(crate) fn count(batch: &[Event]) {
    let mut kinds: Vec<RolloutKind> = Vec::new();
    for event in batch {
        match &event.body {
            EventBody::Fact(Fact::RolloutSettled(rollout) | Fact::RolloutSuspended(rollout)) => {
                RolloutKind::of(&mut kinds, rollout).add(rollout);
            }
            other => count_rare(other),
        }
    }
    for kind in kinds {
        kind.report();
    }
}

/// Rollouts of a batch that carry the same labels.
struct RolloutKind {
    stage: Stage,
    outcome: &'static str,
    rollouts: u64,
    attempts: u64,
    seconds: Vec<f64>,
    usage: Usage,
    judge_usage: Usage,
}

impl RolloutKind {
    fn of<'k>(kinds: &'k mut Vec<Self>, rollout: &RolloutSettled) -> &'k mut Self {
        let stage = rollout.stage;
        let outcome = match &*rollout.outcome {
            Outcome::Scored(_) => "scored",
            Outcome::Failed(failure) => failure.kind.as_str(),
        };
        let known = kinds
            .iter()
            .position(|kind| kind.stage == stage && kind.outcome == outcome);
        let at = known.unwrap_or_else(|| {
            kinds.push(Self {
                stage,
                outcome,
                rollouts: 0,
                attempts: 0,
                seconds: Vec::new(),
                usage: Usage::default(),
                judge_usage: Usage::default(),
            });
            kinds.len() - 1
        });
        &mut kinds[at]
    }

    fn add(&mut self, rollout: &RolloutSettled) {
        self.rollouts += 1;
        self.attempts += u64::from(rollout.attempts);
        let seconds = rollout.finished_at.seconds_since(rollout.started_at);
        self.seconds.push(seconds);
        self.usage += rollout.usage;
        self.judge_usage += rollout.judge_usage;
    }

    fn report(&self) {
        let phase = self.stage.phase();
        counter!(
            "gepa_rollouts_total",
            "phase" => phase.as_str(), "stage" => self.stage.as_str(), "outcome" => self.outcome
        )
        .increment(self.rollouts);
        counter!("gepa_rollout_attempts_total", "phase" => phase.as_str()).increment(self.attempts);
        let histogram = histogram!("gepa_rollout_seconds", "phase" => phase.as_str());
        for seconds in &self.seconds {
            histogram.record(*seconds);
        }
        spend(phase, Purpose::Rollout, &self.usage);
        spend(phase, Purpose::Judge, &self.judge_usage);
    }
}

fn count_rare(event: &EventBody) {
    match event {
        EventBody::Fact(Fact::ReflectionSettled(reflection)) => {
            let outcome = if reflection.text.is_some() {
                "rewritten"
            } else {
                "failed"
            };
            counter!("gepa_reflections_total", "outcome" => outcome).increment(1);
            spend(Phase::Optimization, Purpose::Reflection, &reflection.usage);
        }
        EventBody::Decision(Decision::CandidateAccepted(_)) => {
            counter!("gepa_proposals_total", "outcome" => "accepted").increment(1);
        }
        EventBody::Decision(Decision::ProposalClosed(closed)) => {
            counter!("gepa_proposals_total", "outcome" => close_label(closed.reason)).increment(1);
        }
        EventBody::Decision(Decision::SnapshotTaken(snapshot)) => {
            counter!("gepa_snapshots_total", "tag" => snapshot.tag.as_str()).increment(1);
        }
        EventBody::Decision(Decision::RunFinished(finished)) => {
            counter!("gepa_runs_total", "stop_reason" => finished.stop_reason.as_str())
                .increment(1);
        }
        _ => {}
    }
}

/// Sets the gauges of the archive.
pub(crate) fn gauge(archive: &Archive) {
    gauge!("gepa_archive_candidates").set(archive.len() as f64);
    gauge!("gepa_front_candidates").set(archive.front().len() as f64);
    if let Some(best) = archive.best().and_then(|best| archive.get(best)) {
        gauge!("gepa_best_score").set(best.mean);
    }
}

fn spend(phase: Phase, purpose: Purpose, usage: &Usage) {
    if usage.is_zero() {
        return;
    }
    let kinds = [
        ("prompt", usage.prompt_tokens),
        ("completion", usage.completion_tokens),
        ("unknown", usage.unknown_tokens),
    ];
    for (kind, tokens) in kinds {
        counter!(
            "gepa_tokens_total",
            "phase" => phase.as_str(), "purpose" => purpose.as_str(), "kind" => kind
        )
        .increment(tokens);
    }
    counter!(
        "gepa_cost_micro_usd_total",
        "phase" => phase.as_str(), "purpose" => purpose.as_str()
    )
    .increment(usage.cost.0);
}

fn close_label(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Gate => "gate",
        CloseReason::Outranked => "outranked",
        CloseReason::Perfect => "perfect",
        CloseReason::NoScores => "no_scores",
        CloseReason::NothingToCompare => "nothing_to_compare",
        CloseReason::Reflection => "reflection",
        CloseReason::Duplicate => "duplicate",
        CloseReason::Budget => "budget",
        CloseReason::Stale => "stale",
        CloseReason::Dropped => "dropped",
        CloseReason::TooManyFailures => "too_many_failures",
        CloseReason::Stopped => "stopped",
    }
}
