//! Prompts of one job, prompts of all jobs, and full snapshots.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use gepa_engine::RunId;
use gepa_jobs::views;
use serde::Deserialize;
use serde_json::{Value, json};

use super::query::{PathParams, QueryParams};
use crate::app::App;
use crate::failure::Failure;

/// Runs that are read at once.
const PAGE: usize = 256;
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
    let mut before = None;
    while matches!(kind, "all" | "prompt" | "prompts") && prompts.len() < limit {
        let page = app.store.runs_before(before.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.run_id.clone());
        let of_status = page
            .iter()
            .filter(|run| run.summary.status.as_str() == status);
        let missing = limit - prompts.len();
        prompts.extend(of_status.take(missing).map(views::prompt_entry));
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
    Ok(views::snapshots(&*app.store, run).await?)
}
