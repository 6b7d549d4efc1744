//! The figures of a run in one flat object.

use serde_json::{Map, Value, json};

use super::rows::RunRow;
use crate::event::CloseReason;
use crate::stop::StopReason;

/// Every counter and score of a run, under the names that all clients read: the export `stats`, the
/// HTTP API's `metadata.stats`, and the result files of `gepa train`.
pub fn statistics(run: &RunRow) -> Map<String, Value> {
    let summary = &run.summary;
    let mut stats = Map::new();
    stats.insert("run_id".to_owned(), json!(run.run_id));
    stats.insert("name".to_owned(), json!(run.name));
    stats.insert("status".to_owned(), json!(summary.status));
    if let Value::Object(counters) = json!(summary.counters) {
        stats.extend(counters);
    }
    let reason = summary.stop_reason.as_ref();
    let further = [
        ("baseline_score", json!(summary.baseline_score)),
        ("best_score", json!(summary.best_score)),
        ("best_index", json!(summary.best)),
        (
            "baseline_validation_score",
            json!(summary.baseline_validation_score),
        ),
        (
            "best_validation_score",
            json!(summary.best_validation_score),
        ),
        ("front_size", json!(summary.front_size)),
        ("snapshots", json!(summary.snapshots)),
        ("eval_seeds_n", json!(summary.counters.eval_n)),
        (
            "transformations_evaluated",
            json!(summary.counters.trials_tried.saturating_sub(1)),
        ),
        ("policy_model", json!(run.policy_model)),
        ("policy_provider", json!(run.policy_provider)),
        ("stop_reason", json!(reason.map(StopReason::as_str))),
        ("stop_detail", json!(reason.map(ToString::to_string))),
        ("interruption", json!(summary.interruption)),
        ("total_time_seconds", json!(summary.active_seconds)),
        ("total_cost_usd", json!(summary.counters.total_cost_usd())),
    ];
    stats.extend(further.map(|(name, value)| (name.to_owned(), value)));
    if let Some(endings) = &summary.endings {
        let counts = [
            ("proposals_accepted", endings.accepted),
            ("proposals_perfect", endings.closed_by(CloseReason::Perfect)),
            ("proposals_rejected", endings.closed_by(CloseReason::Gate)),
            (
                "proposals_without_text",
                endings.closed_by(CloseReason::Reflection),
            ),
            ("proposals_without_further_text", endings.fewer_texts),
            (
                "proposals_duplicate",
                endings.closed_by(CloseReason::Duplicate),
            ),
            ("replies_refused", endings.replies_refused()),
            ("texts_copying", endings.texts_copying),
            ("texts_refused", endings.texts_refused.values().sum()),
        ];
        stats.extend(counts.map(|(name, count)| (name.to_owned(), json!(count))));
    }
    stats
}
