//! Routes that submit, list, show, pause, resume and cancel jobs.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use gepa_engine::record::{RunRow, RunStatus};
use gepa_engine::{RunId, RunQuery, SteeredBy, Store, StoreError};
use gepa_jobs::views::{JobContext, best_snapshot, job_detail, job_entry};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::query::{PathParams, QueryParams};
use crate::access::Caller;
use crate::app::App;
use crate::auth::check_tenant;
use crate::failure::Failure;
use crate::jobs::JobCommand;

/// Largest submission, in bytes.
const MAX_BODY: usize = 4 << 20;
/// Priorities of jobs; those of a greater priority begin first.
const PRIORITIES: std::ops::RangeInclusive<i64> = -100..=100;
/// A command is answered when the job's status shows it, and after this time at the latest.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

type Shared = State<Arc<App>>;

/// The body of a submission.
#[derive(Debug, Deserialize)]
struct Submission {
    algorithm: String,
    config_body: Value,
    #[serde(default)]
    overrides: Option<Map<String, Value>>,
    #[serde(default)]
    auto_start: Option<bool>,
    #[serde(default)]
    priority: i64,
    /// What clients say of themselves; it has no effect.
    #[serde(default, rename = "metadata")]
    _metadata: IgnoredAny,
    #[serde(flatten)]
    others: Map<String, Value>,
}

const SUBMISSION: [&str; 6] = [
    "algorithm",
    "config_body",
    "overrides",
    "metadata",
    "auto_start",
    "priority",
];

/// Which jobs to list.
#[derive(Debug, Deserialize)]
pub(super) struct JobQuery {
    status: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn create(
    State(app): Shared,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let bytes = axum::body::to_bytes(body, MAX_BODY).await.map_err(|_| {
        let message = format!("the body could not be read; it may have {MAX_BODY} bytes");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    })?;
    let submission: Submission = serde_json::from_slice(&bytes)
        .map_err(|error| problem("", format!("the body is no submission: {error}")))?;
    if let Some(name) = submission.others.keys().next() {
        let message = format!(
            "is no field of a submission; there are {}",
            SUBMISSION.join(", ")
        );
        return Err(problem(name, message));
    }
    if submission.algorithm != "gepa" {
        let message = format!("is `{}`; this server runs `gepa`", submission.algorithm);
        return Err(problem("algorithm", message));
    }
    if submission.auto_start == Some(false) {
        let message = "is false; jobs start as soon as there is a slot, leave it out";
        return Err(problem("auto_start", message.to_owned()));
    }
    if !PRIORITIES.contains(&submission.priority) {
        let message = format!("is {}; it goes from -100 to 100", submission.priority);
        return Err(problem("priority", message));
    }
    let overrides = submission.overrides.unwrap_or_default();
    let submitted = app.supervisor.submit(
        &submission.config_body,
        &overrides,
        &caller.tenant,
        submission.priority,
    );
    let run = submitted.await?;
    let body = json!({
        "job_id": run.run_id,
        "id": run.run_id,
        "status": run.summary.status.as_str(),
    });
    Ok((StatusCode::CREATED, Json(body)))
}

/// Lists jobs, newest first.
pub(super) async fn list(
    State(app): Shared,
    QueryParams(query): QueryParams<JobQuery>,
) -> Result<Json<Value>, Failure> {
    let (shown, total) = newest(&*app.store, &query).await?;
    let elsewhere = app.supervisor.waiting_elsewhere().await;
    let jobs: Vec<Map<String, Value>> = shown
        .iter()
        .map(|run| {
            let here = app.supervisor.waiting_for(&run.run_id);
            let waiting_for = here.or_else(|| elsewhere.get(&run.run_id).cloned());
            job_entry(run, waiting_for.as_deref())
        })
        .collect();
    Ok(Json(json!({"jobs": jobs, "total_count": total})))
}

/// The runs to show, newest first, and how many there are with the requested status.
async fn newest(store: &dyn Store, query: &JobQuery) -> Result<(Vec<RunRow>, usize), StoreError> {
    let limit = query.limit.unwrap_or(usize::MAX);
    let mut wanted = RunQuery::default();
    if let Some(status) = &query.status {
        // Clients of other servers ask for statuses that no run of this one has.
        let Ok(status) = serde_json::from_value(json!(status)) else {
            return Ok((Vec::new(), 0));
        };
        wanted.statuses.push(status);
    }
    let shown = store.find_runs(&wanted, limit).await?;
    let is_all = shown.len() < limit;
    let total = if is_all {
        shown.len()
    } else {
        store.count_runs(&wanted).await?
    };
    Ok((shown, total))
}

pub(super) async fn detail(
    State(app): Shared,
    PathParams(id): PathParams<String>,
) -> Result<Json<Value>, Failure> {
    let job: RunId = id.parse()?;
    let run = app.store.run(&job).await?;
    let mut context = JobContext {
        waiting_for: waiting_for(&app, &job).await,
        best: None,
    };
    if run.summary.best.is_none() {
        return Ok(Json(job_detail(&run, context)));
    }
    let snapshots = app.past_scores.snapshots(&*app.store, run).await?;
    context.best = best_snapshot(&snapshots);
    Ok(Json(job_detail(&snapshots.run, context)))
}

pub(super) async fn cancel(
    State(app): Shared,
    Extension(caller): Extension<Caller>,
    PathParams(id): PathParams<String>,
) -> Result<Json<Value>, Failure> {
    steer(
        &app,
        &caller,
        &id,
        JobCommand::Cancel,
        RunStatus::is_terminal,
    )
    .await
}

pub(super) async fn pause(
    State(app): Shared,
    Extension(caller): Extension<Caller>,
    PathParams(id): PathParams<String>,
) -> Result<Json<Value>, Failure> {
    let is_paused = |status| status == RunStatus::Paused;
    steer(&app, &caller, &id, JobCommand::Pause(by()), is_paused).await
}

pub(super) async fn resume(
    State(app): Shared,
    Extension(caller): Extension<Caller>,
    PathParams(id): PathParams<String>,
) -> Result<Json<Value>, Failure> {
    let goes_on = |status| status != RunStatus::Paused;
    steer(&app, &caller, &id, JobCommand::Resume(by()), goes_on).await
}

/// Clients of the job API do not say who acts.
fn by() -> SteeredBy {
    SteeredBy::default()
}

/// Passes a command on, and answers when `shows` holds for the job's status.
async fn steer(
    app: &App,
    caller: &Caller,
    id: &str,
    command: JobCommand,
    shows: impl Fn(RunStatus) -> bool,
) -> Result<Json<Value>, Failure> {
    let job: RunId = id.parse()?;
    check_tenant(caller, &app.store.run(&job).await?)?;
    app.supervisor.command(&job, command).await?;
    let mut waited = Duration::ZERO;
    loop {
        let status = app.store.run(&job).await?.summary.status;
        if shows(status) || status.is_terminal() || waited >= PATIENCE {
            let waiting_for = waiting_for(app, &job).await;
            return Ok(Json(json!({
                "job_id": job, "status": status.as_str(), "waiting_for": waiting_for,
            })));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        waited += LOOK_AGAIN;
    }
}

/// What a job waits for, on this engine or on another one.
async fn waiting_for(app: &App, job: &RunId) -> Option<String> {
    match app.supervisor.waiting_for(job) {
        Some(here) => Some(here),
        None => app.supervisor.waiting_elsewhere().await.remove(job),
    }
}

fn problem(key: &str, message: String) -> Failure {
    let text = if key.is_empty() {
        message.clone()
    } else {
        format!("`{key}` {message}")
    };
    Failure::unusable(text, vec![(key.to_owned(), message)])
}
