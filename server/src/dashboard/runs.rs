//! The list of runs.

use gepa_engine::record::{RunRow, RunStatus};
use gepa_engine::{Store, StoreError};
use serde_json::{Value, json};

/// Newest first.
pub(super) async fn runs(store: &dyn Store) -> Result<Value, StoreError> {
    let mut entries = Vec::new();
    for run in store.runs().await?.iter().rev() {
        let is_claimed = is_worked_on(store, run).await?;
        entries.push(entry(run, is_claimed));
    }
    Ok(json!({ "runs": entries }))
}

/// Whether a process works on the run. A run that is over needs no look at its claim.
pub(super) async fn is_worked_on(store: &dyn Store, run: &RunRow) -> Result<bool, StoreError> {
    let status = run.summary.status;
    if status.is_terminal() || status == RunStatus::Queued {
        return Ok(false);
    }
    store.is_claimed(&run.run_id).await
}

/// What the list says about a run. Figures have the names of `gepa export --what stats`.
pub(super) fn entry(run: &RunRow, is_claimed: bool) -> Value {
    let (summary, counters) = (&run.summary, &run.summary.counters);
    let at = |time: Option<gepa_engine::Timestamp>| time.map(|time| time.to_string());
    json!({
        "run_id": run.run_id,
        "name": run.name,
        "status": summary.status.as_str(),
        "is_claimed": is_claimed,
        "created_at": run.created_at.to_string(),
        "updated_at": at(summary.updated_at),
        "finished_at": at(summary.finished_at),
        "policy": format!("{}/{}", run.policy_provider, run.policy_model),
        "baseline_score": summary.baseline_score,
        "best_score": summary.best_score,
        "baseline_validation_score": summary.baseline_validation_score,
        "best_validation_score": summary.best_validation_score,
        "trials_tried": counters.trials_tried,
        "candidates_accepted": counters.candidates_accepted,
        "front_size": summary.front_size,
        "total_rollouts": counters.total_rollouts,
        "failed_rollouts": counters.failed_rollouts,
        "total_tokens": counters.total_tokens,
        "total_cost_usd": counters.total_cost_usd(),
        "total_time_seconds": summary.active_seconds,
        "stop_detail": summary.stop_reason.as_ref().map(ToString::to_string),
        "interruption": summary.interruption,
        "seq": summary.seq,
    })
}
