//! The table of routes, and the layers that all of them share.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};

use super::{artifacts, events, jobs, operations, records};
use crate::app::App;
use crate::auth;
use crate::dashboard;
use crate::failure::Failure;

/// Longest time until an answer begins. A submission may start processes, which takes long.
const TIMEOUT: Duration = Duration::from_mins(2);

type Routes = Vec<(&'static str, MethodRouter<Arc<App>>)>;

/// The paths of all routes, as the `OpenAPI` document writes them.
pub fn route_paths() -> Vec<&'static str> {
    table().into_iter().map(|(path, _)| path).collect()
}

pub(crate) fn router(app: &Arc<App>) -> Router {
    let routes = table().into_iter();
    routes
        .fold(Router::new(), |router, (path, methods)| {
            router.route(path, methods)
        })
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, NO_ROUTE))
        .method_not_allowed_fallback(async || {
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, WRONG_METHOD)
        })
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn_with_state(
            app.access.clone(),
            auth::check,
        ))
        .with_state(Arc::clone(app))
}

const NO_ROUTE: &str = "there is no such route; GET /openapi.json lists all routes";
const WRONG_METHOD: &str =
    "this route does not have this method; GET /openapi.json lists its methods";

fn table() -> Routes {
    let mut routes = dashboard::table();
    routes.extend(jobs_table());
    routes
}

fn jobs_table() -> Routes {
    vec![
        ("/health", get(operations::health)),
        ("/metrics", get(operations::metrics)),
        ("/openapi.json", get(operations::openapi)),
        (
            "/api/prompt-learning/online/jobs",
            get(jobs::list).post(jobs::create),
        ),
        (
            "/api/prompt-learning/online/jobs/{job_id}",
            get(jobs::detail),
        ),
        (
            "/api/prompt-learning/online/jobs/{job_id}/cancel",
            post(jobs::cancel),
        ),
        (
            "/api/prompt-learning/online/jobs/{job_id}/pause",
            post(jobs::pause),
        ),
        (
            "/api/prompt-learning/online/jobs/{job_id}/resume",
            post(jobs::resume),
        ),
        (
            "/api/prompt-learning/online/jobs/{job_id}/events",
            get(events::page),
        ),
        (
            "/api/prompt-learning/online/jobs/{job_id}/events/stream",
            get(events::stream),
        ),
        (
            "/api/prompt-learning/online/jobs/{job_id}/metrics",
            get(events::metrics),
        ),
        (
            "/api/prompt-learning/online/jobs/{job_id}/artifacts",
            get(artifacts::of_job),
        ),
        (
            "/api/prompt-learning/online/jobs/{job_id}/snapshots",
            get(artifacts::snapshots),
        ),
        (
            "/api/prompt-learning/online/jobs/{job_id}/snapshots/{snapshot_id}",
            get(artifacts::snapshot),
        ),
        (
            "/api/prompt-learning/online/jobs/{job_id}/trials",
            get(records::trials),
        ),
        (
            "/api/prompt-learning/online/jobs/{job_id}/rollouts",
            get(records::rollouts),
        ),
        (
            "/api/prompt-learning/online/jobs/{job_id}/candidates",
            get(records::candidates),
        ),
        ("/api/artifacts", get(artifacts::list)),
        ("/api/artifacts/prompts/{job_id}", get(jobs::detail)),
    ]
}

async fn in_time(request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(TIMEOUT, next.run(request)).await;
    answered.unwrap_or_else(|_| {
        let message = "the answer took longer than 2 minutes; request fewer rows at a time";
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, message).into_response()
    })
}
