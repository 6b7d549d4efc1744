//! Prompts of one job, prompts of all jobs, and full snapshots.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use gepa_engine::record::RunRow;
use gepa_engine::{RunId, newest_runs};
use gepa_jobs::views;
use serde::Deserialize;
use serde_json::{Value, json};

use super::query::{PathParams, QueryParams};
use crate::app::App;
use crate::failure::Failure;

/// Prompts listed when the request names no `limit`.
const DEFAULT_LIMIT: usize = 100;

/// Which artifacts to list.
#[derive(Debug, Deserialize)]
pub(super) struct ArtifactQuery {
    r#type: Option<String>,
    status: Option<String>,
    limit: Option<usize>,
}

/// The prompts of succeeded jobs, or of jobs with the requested status, newest first. The lists of
/// models are always empty; clients of this API expect the fields.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    QueryParams(query): QueryParams<ArtifactQuery>,
) -> Result<Json<Value>, Failure> {
    let status = query.status.as_deref().unwrap_or("succeeded");
    let kind = query.r#type.as_deref().unwrap_or("all");
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let mut prompts: Vec<Value> = Vec::new();
    if matches!(kind, "all" | "prompt" | "prompts") {
        let has_status = |run: &RunRow| run.summary.status.as_str() == status;
        let runs = newest_runs(&*app.store, limit, has_status).await?;
        prompts.extend(runs.iter().map(views::prompt_entry));
    }
    let summary = json!({"total_count": prompts.len(), "prompts_count": prompts.len()});
    Ok(Json(json!({
        "fine_tuned_models": [],
        "rl_models": [],
        "prompts": prompts,
        "summary": summary,
    })))
}

pub(super) async fn of_job(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
) -> Result<Json<Value>, Failure> {
    let snapshots = of(&app, &id).await?;
    Ok(Json(Value::Array(views::artifacts(&snapshots))))
}

pub(super) async fn snapshots(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
) -> Result<Json<Value>, Failure> {
    let snapshots = of(&app, &id).await?;
    Ok(Json(json!({"snapshots": snapshots.render_all()})))
}

pub(super) async fn snapshot(
    State(app): State<Arc<App>>,
    PathParams((id, snapshot_id)): PathParams<(String, String)>,
) -> Result<Json<Value>, Failure> {
    let snapshots = of(&app, &id).await?;
    let found = views::find_snapshot(&snapshots, &snapshot_id);
    found.map(Json).ok_or_else(|| {
        let message =
            format!("job `{id}` has no snapshot `{snapshot_id}`; its artifacts list them");
        Failure::new(StatusCode::NOT_FOUND, message)
    })
}

async fn of(app: &App, id: &str) -> Result<views::Snapshots, Failure> {
    let job: RunId = id.parse()?;
    let run = app.store.run(&job).await?;
    Ok(app.past_scores.snapshots(&*app.store, run).await?)
}
