//! Runs in the shapes that job clients read.

use gepa_engine::record::{RunRow, RunStatus, statistics};
use gepa_engine::{StopReason, Timestamp};
use serde_json::{Map, Value, json};

use crate::mark::JobMark;

/// Data of a job that its run's row does not hold.
#[derive(Debug, Default)]
pub struct JobContext {
    /// What it waits for; `None` if it does not wait.
    pub waiting_for: Option<String>,
    /// The snapshot of its best candidate, and its id.
    pub best: Option<(String, Value)>,
}

/// The entry of a job in a list.
pub fn job_entry(run: &RunRow, waiting_for: Option<&str>) -> Map<String, Value> {
    let summary = &run.summary;
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let is_job = JobMark::of(run).is_some();
    let policy = format!("{}/{}", run.policy_provider, run.policy_model);
    let fields = [
        ("job_id", json!(run.run_id)),
        ("id", json!(run.run_id)),
        ("status", json!(summary.status.as_str())),
        ("algorithm", json!("gepa")),
        ("name", json!(run.name)),
        (
            "origin",
            json!(if is_job { "http" } else { "command_line" }),
        ),
        ("policy", json!(policy)),
        ("baseline_score", json!(summary.baseline_score)),
        ("best_score", json!(summary.best_score)),
        (
            "best_validation_score",
            json!(summary.best_validation_score),
        ),
        ("total_rollouts", json!(summary.counters.total_rollouts)),
        ("created_at", json!(run.created_at.to_string())),
        (
            "updated_at",
            json!(time(summary.updated_at.or(Some(run.created_at)))),
        ),
        ("started_at", json!(time(summary.started_at))),
        ("finished_at", json!(time(summary.finished_at))),
        ("waiting_for", json!(waiting_for)),
        ("error", json!(error_of(run))),
    ];
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// All data of a job.
pub fn job_detail(run: &RunRow, context: JobContext) -> Value {
    let summary = &run.summary;
    let mut detail = job_entry(run, context.waiting_for.as_deref());
    let (id, snapshot) = match context.best {
        Some((id, snapshot)) => (json!(id), snapshot),
        None => (Value::Null, Value::Null),
    };
    let mark = JobMark::of(run);
    let (config_body, notes) = match mark {
        Some(mark) => (mark.config_body, mark.notes),
        None => (run.config.clone(), Vec::new()),
    };
    let metadata = json!({
        "stats": statistics(run),
        "config_body": config_body,
        "notes": notes,
        "prompt_best_snapshot_id": id,
        "prompt_best_snapshot": snapshot,
        "prompt_best_train_score": summary.best_score,
        "prompt_best_score": summary.best_score,
        "prompt_best_validation_score": summary.best_validation_score,
    });
    detail.insert("best_snapshot_id".to_owned(), id);
    detail.insert("best_snapshot".to_owned(), snapshot);
    detail.insert("metadata".to_owned(), metadata);
    Value::Object(detail)
}

/// The entry of a job in the list of prompts.
pub fn prompt_entry(run: &RunRow) -> Value {
    json!({
        "job_id": run.run_id,
        "algorithm": "gepa",
        "status": run.summary.status.as_str(),
        "best_score": run.summary.best_score,
        "best_validation_score": run.summary.best_validation_score,
        "created_at": run.created_at.to_string(),
        "finished_at": run.summary.finished_at.map(|at| at.to_string()),
    })
}

fn error_of(run: &RunRow) -> Option<String> {
    let summary = &run.summary;
    let reason = summary.stop_reason.as_ref().map(StopReason::to_string);
    match summary.status {
        RunStatus::Failed => reason,
        _ => None,
    }
}
