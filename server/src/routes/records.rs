//! Routes for a job's rows: trials, rollouts, candidates.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use gepa_engine::record::{
    CANDIDATE_EXPORT, CandidateOrder, ROLLOUT_EXPORT, TRIAL_EXPORT, export, trials_that_ran,
};
use gepa_engine::{RunId, Seq};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::query::{PathParams, QueryParams};
use crate::app::App;
use crate::failure::Failure;

/// Most rollouts in one answer.
const MAX_ROLLOUTS: usize = 10_000;

/// Which rollouts to return.
#[derive(Debug, Deserialize)]
pub(super) struct RolloutQuery {
    after: Option<u64>,
    limit: Option<usize>,
}

/// Order and number of the candidates to return.
#[derive(Debug, Deserialize)]
pub(super) struct CandidateQuery {
    sort: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn trials(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
) -> Result<Json<Value>, Failure> {
    let job: RunId = id.parse()?;
    let rows = trials_that_ran(&*app.store, &job).await?;
    let trials: Vec<Map<String, Value>> = rows
        .iter()
        .map(|row| {
            let object = export::object(TRIAL_EXPORT, &(), row);
            for_job(&job, object)
        })
        .collect();
    Ok(Json(json!({"trials": trials})))
}

pub(super) async fn rollouts(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    QueryParams(query): QueryParams<RolloutQuery>,
) -> Result<Json<Value>, Failure> {
    let job: RunId = id.parse()?;
    let after = query.after.unwrap_or_default();
    let limit = query.limit.unwrap_or(MAX_ROLLOUTS).min(MAX_ROLLOUTS);
    let rows = app.store.rollouts(&job, Seq(after), limit + 1).await?;
    let shown = &rows[..rows.len().min(limit)];
    let next = shown.last().map_or(after, |row| row.seq.0);
    let rollouts: Vec<Map<String, Value>> = shown
        .iter()
        .map(|row| {
            let object = export::object(ROLLOUT_EXPORT, &(), row);
            for_job(&job, object)
        })
        .collect();
    Ok(Json(json!({
        "rollouts": rollouts,
        "has_more": rows.len() > limit,
        "next_after": next,
    })))
}

pub(super) async fn candidates(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    QueryParams(query): QueryParams<CandidateQuery>,
) -> Result<Json<Value>, Failure> {
    let job: RunId = id.parse()?;
    let run = app.store.run(&job).await?;
    let order = match query.sort.as_deref().unwrap_or("iteration") {
        "iteration" => CandidateOrder::Iteration,
        "score" => CandidateOrder::Score,
        other => {
            let message = format!("cannot sort by `{other}`; `iteration` and `score` are known");
            return Err(Failure::new(StatusCode::BAD_REQUEST, message));
        }
    };
    let store = &*app.store;
    let rows = app.past_scores.candidates(store, &run, order).await?;
    let shown = rows.iter().take(query.limit.unwrap_or(usize::MAX));
    let candidates: Vec<Map<String, Value>> = shown
        .map(|row| {
            let object = export::object(CANDIDATE_EXPORT, &run, row);
            for_job(&job, object)
        })
        .collect();
    Ok(Json(
        json!({"candidates": candidates, "total_count": rows.len()}),
    ))
}

/// Adds `job_id`, the name that job clients use for the run id.
fn for_job(job: &RunId, mut row: Map<String, Value>) -> Map<String, Value> {
    row.insert("job_id".to_owned(), json!(job));
    row
}
