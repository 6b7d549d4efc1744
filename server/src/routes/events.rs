//! A job's events as pages and as a stream, and its score curve.

use std::fmt::Write;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use gepa_engine::RunId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::query::{PathParams, QueryParams};
use crate::app::App;
use crate::failure::Failure;

/// Most events in one answer, for any requested limit. It bounds the memory of an answer.
pub const MAX_EVENTS: usize = 10_000;
/// Points of the curve when the request names no `limit`.
const DEFAULT_POINTS: usize = 200;
/// Name of the only curve.
const CURVE: &str = "gepa.transformation.mean_score";

/// Which events to return.
#[derive(Debug, Deserialize)]
pub(super) struct EventQuery {
    since_seq: Option<u64>,
    limit: Option<usize>,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    QueryParams(query): QueryParams<EventQuery>,
) -> Result<Response, Failure> {
    let job: RunId = id.parse()?;
    let since = query.since_seq.unwrap_or_default();
    let limit = query.limit.unwrap_or(MAX_EVENTS).min(MAX_EVENTS);
    let page = app.feeds.of(&job).await?.page(since, limit).await?;
    let texts = page.events.iter().map(|event| event.text.len() + 1);
    let mut body = String::with_capacity(texts.sum::<usize>() + 64);
    body.push_str("{\"events\":[");
    for (place, event) in page.events.iter().enumerate() {
        if place > 0 {
            body.push(',');
        }
        body.push_str(&event.text);
    }
    let next = page.events.last().map_or(since, |event| event.seq);
    // Writing to a string cannot fail.
    let _ = write!(
        body,
        "],\"has_more\":{},\"next_seq\":{next}}}",
        page.has_more
    );
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

pub(super) async fn stream(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    QueryParams(query): QueryParams<EventQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let job: RunId = id.parse()?;
    // A reader that connects again sends the id of the last event it saw.
    let seen = headers.get("last-event-id");
    let seen = seen.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let since = seen.or(query.since_seq).unwrap_or_default();
    let feed = app.feeds.of(&job).await?;
    let closing = app.supervisor.closing();
    let body = app.streams.open(&job, feed, since, closing)?;
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, body).into_response())
}

/// The last points of the curve. A point's step is the index of the candidate that was scored on
/// the whole set.
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    PathParams(id): PathParams<String>,
    QueryParams(query): QueryParams<EventQuery>,
) -> Result<Json<Value>, Failure> {
    let job: RunId = id.parse()?;
    let limit = query.limit.unwrap_or(DEFAULT_POINTS).min(MAX_EVENTS);
    let points = app.feeds.of(&job).await?.points(limit).await?;
    let points: Vec<Value> = points
        .iter()
        .map(|point| {
            json!({
                "name": CURVE,
                "value": point.value,
                "step": point.step,
                "phase": point.stage.phase().as_str(),
                "data": {"n": point.scored, "stage": point.stage.as_str()},
                "created_at": point.at.to_string(),
                "job_id": job,
            })
        })
        .collect();
    Ok(Json(json!({"points": points})))
}
