//! The routes of the page and of its data. They are the same under every server; what a request is
//! answered from comes out of the server's state.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use gepa_engine::{RunId, Seq};
use serde::Deserialize;
use serde_json::{Value, json};

use super::assets;
use super::resource::{ExampleSet, Part, Resource};
use super::views::{ViewError, Views};
use crate::failure::Failure;
use crate::routes::query::{PathParams, QueryParams};

/// How long a request for changes waits for one.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What the routes of the page read from.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) views: Arc<Views>,
    /// Whether this server can pause, resume and cancel runs.
    pub(crate) can_steer: bool,
}

/// The path of each route, and its handler.
pub(crate) fn table<S>() -> Vec<(&'static str, MethodRouter<S>)>
where
    S: Clone + Send + Sync + 'static,
    Source: FromRef<S>,
{
    vec![
        ("/", get(assets::shell)),
        ("/ui/app.js", get(assets::script)),
        ("/ui/app.css", get(assets::style)),
        ("/api/dashboard", get(about)),
        ("/api/runs", get(runs)),
        ("/api/runs/{run_id}/view", get(view)),
        ("/api/runs/{run_id}/changes", get(changes)),
        ("/api/runs/{run_id}/matrix/{set}", get(matrix)),
        ("/api/runs/{run_id}/candidates/{iteration}", get(candidate)),
        ("/api/runs/{run_id}/blame/{iteration}", get(blame)),
        ("/api/runs/{run_id}/events/{seq}", get(event)),
        ("/api/runs/{run_id}/failures", get(failures)),
        ("/api/runs/{run_id}/verdict", get(verdict)),
        (
            "/api/runs/{run_id}/comparisons/{before}/{after}",
            get(comparison),
        ),
        ("/api/runs/{run_id}/against/{other_id}", get(best_of_runs)),
    ]
}

impl From<ViewError> for Failure {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Store(error) => error.into(),
            ViewError::Missing(message) => Self::new(StatusCode::NOT_FOUND, message),
            ViewError::Json(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }
}

async fn answer(source: &Source, resource: Resource) -> Result<Response, Failure> {
    let content = source.views.read(&resource).await?;
    let headers = [
        (header::CONTENT_TYPE, content.media_type),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    Ok((headers, content.bytes).into_response())
}

async fn about(State(source): State<Source>) -> Json<Value> {
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "can_steer": source.can_steer,
    }))
}

async fn runs(State(source): State<Source>) -> Result<Response, Failure> {
    answer(&source, Resource::Runs).await
}

async fn view(
    State(source): State<Source>,
    PathParams(run): PathParams<String>,
) -> Result<Response, Failure> {
    answer(&source, Resource::OfRun(run.parse()?, Part::View)).await
}

async fn matrix(
    State(source): State<Source>,
    PathParams((run, set)): PathParams<(String, String)>,
) -> Result<Response, Failure> {
    let set = match set.as_str() {
        "pareto" => ExampleSet::Pareto,
        "validation" => ExampleSet::Validation,
        other => {
            let message = format!("there is no set `{other}`; say `pareto` or `validation`");
            return Err(Failure::new(StatusCode::NOT_FOUND, message));
        }
    };
    answer(&source, Resource::OfRun(run.parse()?, Part::Matrix(set))).await
}

async fn candidate(
    State(source): State<Source>,
    PathParams((run, iteration)): PathParams<(String, u64)>,
) -> Result<Response, Failure> {
    answer(
        &source,
        Resource::OfRun(run.parse()?, Part::Candidate(iteration)),
    )
    .await
}

async fn blame(
    State(source): State<Source>,
    PathParams((run, iteration)): PathParams<(String, u64)>,
) -> Result<Response, Failure> {
    answer(
        &source,
        Resource::OfRun(run.parse()?, Part::Blame(iteration)),
    )
    .await
}

async fn event(
    State(source): State<Source>,
    PathParams((run, seq)): PathParams<(String, u64)>,
) -> Result<Response, Failure> {
    answer(
        &source,
        Resource::OfRun(run.parse()?, Part::Event(Seq(seq))),
    )
    .await
}

async fn failures(
    State(source): State<Source>,
    PathParams(run): PathParams<String>,
) -> Result<Response, Failure> {
    answer(&source, Resource::OfRun(run.parse()?, Part::Failures)).await
}

async fn verdict(
    State(source): State<Source>,
    PathParams(run): PathParams<String>,
) -> Result<Response, Failure> {
    answer(&source, Resource::OfRun(run.parse()?, Part::Verdict)).await
}

async fn comparison(
    State(source): State<Source>,
    PathParams((run, before, after)): PathParams<(String, u64, u64)>,
) -> Result<Response, Failure> {
    let part = Part::Comparison(before, after);
    answer(&source, Resource::OfRun(run.parse()?, part)).await
}

async fn best_of_runs(
    State(source): State<Source>,
    PathParams((run, other)): PathParams<(String, String)>,
) -> Result<Response, Failure> {
    answer(&source, Resource::BestOfRuns(other.parse()?, run.parse()?)).await
}

/// The event that the page has seen.
#[derive(Debug, Deserialize)]
struct ChangeQuery {
    after: Option<u64>,
}

/// Answers when the run has events after `after`, and after five seconds at the latest.
async fn changes(
    State(source): State<Source>,
    PathParams(run): PathParams<String>,
    QueryParams(query): QueryParams<ChangeQuery>,
) -> Result<Json<Value>, Failure> {
    let run: RunId = run.parse()?;
    let after = query.after.unwrap_or_default();
    let mut waited = Duration::ZERO;
    loop {
        let summary = source
            .views
            .store()
            .run(&run)
            .await
            .map_err(ViewError::from)?
            .summary;
        if summary.seq.0 > after || waited >= PATIENCE {
            return Ok(Json(json!({
                "seq": summary.seq,
                "status": summary.status.as_str(),
                "total_rollouts": summary.counters.total_rollouts,
            })));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        waited += LOOK_AGAIN;
    }
}
