//! Routes for operators: health, metrics, the API document.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use gepa_engine::Timestamp;
use serde_json::{Value, json};

use crate::app::App;
use crate::failure::Failure;
use crate::telemetry;

/// The `OpenAPI` document of all routes.
pub const OPENAPI: &str = include_str!("../../openapi.json");

/// Answers 200 while the store can be read.
pub(super) async fn health(State(app): State<Arc<App>>) -> Result<Json<Value>, Failure> {
    let unknown = gepa_engine::RunId::fresh(Timestamp::now());
    match app.store.run(&unknown).await {
        Ok(_) | Err(gepa_engine::StoreError::UnknownRun(_)) => Ok(Json(
            json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}),
        )),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Failure> {
    telemetry::jobs(app.supervisor.backlog().await?);
    let text = telemetry::render().ok_or_else(|| {
        let message =
            "the application that embeds this server records the metrics; read them there";
        Failure::new(StatusCode::NOT_FOUND, message)
    })?;
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}
