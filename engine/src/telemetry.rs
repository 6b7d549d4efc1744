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
use gepa_evaluation::{Outcome, Phase, Purpose, Usage};
use metrics::{counter, gauge, histogram};

use crate::event::{CloseReason, EventBody};

/// Counts a stored event.
pub(crate) fn count(event: &EventBody) {
    match event {
        EventBody::RolloutSettled(rollout) | EventBody::RolloutSuspended(rollout) => {
            let phase = rollout.stage.phase();
            let outcome = match &rollout.outcome {
                Outcome::Scored(_) => "scored",
                Outcome::Failed(failure) => failure.kind.as_str(),
            };
            counter!(
                "gepa_rollouts_total",
                "phase" => phase.as_str(), "stage" => rollout.stage.as_str(), "outcome" => outcome
            )
            .increment(1);
            counter!("gepa_rollout_attempts_total", "phase" => phase.as_str())
                .increment(u64::from(rollout.attempts));
            histogram!("gepa_rollout_seconds", "phase" => phase.as_str())
                .record(rollout.finished_at.seconds_since(rollout.started_at));
            spend(phase, Purpose::Rollout, &rollout.usage);
            spend(phase, Purpose::Judge, &rollout.judge_usage);
        }
        EventBody::ReflectionSettled(reflection) => {
            let outcome = if reflection.text.is_some() {
                "rewritten"
            } else {
                "failed"
            };
            counter!("gepa_reflections_total", "outcome" => outcome).increment(1);
            spend(Phase::Optimization, Purpose::Reflection, &reflection.usage);
        }
        EventBody::CandidateAccepted(_) => {
            counter!("gepa_proposals_total", "outcome" => "accepted").increment(1);
        }
        EventBody::ProposalClosed(closed) => {
            counter!("gepa_proposals_total", "outcome" => close_label(closed.reason)).increment(1);
        }
        EventBody::SnapshotTaken(snapshot) => {
            counter!("gepa_snapshots_total", "tag" => snapshot.tag.as_str()).increment(1);
        }
        EventBody::RunFinished(finished) => {
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
        CloseReason::TooManyFailures => "too_many_failures",
        CloseReason::Stopped => "stopped",
    }
}
