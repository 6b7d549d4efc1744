//! The routes' answers.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use gepa_engine::record::RunRow;
use gepa_engine::{RunId, Seq, Store};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::failure::Failure;

/// Most events in one answer: bounds its memory, whatever is asked for.
pub const MAX_EVENTS: usize = 10_000;

type Runs = State<Arc<dyn Store>>;

pub(crate) async fn health(State(store): Runs) -> Result<Json<Value>, Failure> {
    store.runs().await?;
    Ok(Json(json!({"status": "ok"})))
}

pub(crate) async fn runs(State(store): Runs) -> Result<Json<Vec<RunRow>>, Failure> {
    Ok(Json(store.runs().await?))
}

pub(crate) async fn run(
    State(store): Runs,
    Path(id): Path<String>,
) -> Result<Json<RunRow>, Failure> {
    let run_id: RunId = id.parse()?;
    Ok(Json(store.run(&run_id).await?))
}

/// Which part of a journal to answer with.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Page {
    after: u64,
    limit: usize,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            after: 0,
            limit: MAX_EVENTS,
        }
    }
}

pub(crate) async fn events(
    State(store): Runs,
    Path(id): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, Failure> {
    let run_id: RunId = id.parse()?;
    let summary = store.run(&run_id).await?.summary;
    let events = store
        .events(&run_id, Seq(page.after), page.limit.min(MAX_EVENTS))
        .await?;
    let next = events.last().map_or(page.after, |event| event.seq.0);
    let has_more = next < summary.seq.0;
    Ok(Json(
        json!({"events": events, "next_after": next, "has_more": has_more}),
    ))
}
