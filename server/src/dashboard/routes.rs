//! The routes of the page and of its data. They are the same under every server; what a request is
//! answered from comes out of the server's state.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRef, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use axum::{Extension, Json};
use gepa_engine::{LabelChange, RunError, RunId, RunLabels, RunQuery, Seq};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::ablation_routes;
use super::assets;
use super::content::ViewError;
use super::deletion::{DeleteError, delete_run};
use super::resource::{ExampleSet, Part, Resource};
use super::runs::{NewestRuns, RunSelection};
use super::source::{Source, of_caller, read};
use crate::access::Caller;
use crate::failure::Failure;
use crate::routes::query::{PathParams, QueryParams};
use crate::steering::{ACTS, SteerError, SteerRequest};

/// How long a request for changes waits for one.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

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
        ("/api/runs/{run_id}", delete(remove)),
        ("/api/runs/{run_id}/labels", post(label)),
        ("/api/runs/{run_id}/view", get(view)),
        ("/api/runs/{run_id}/changes", get(changes)),
        ("/api/runs/{run_id}/matrix/{set}", get(matrix)),
        ("/api/runs/{run_id}/candidates/{iteration}", get(candidate)),
        ("/api/runs/{run_id}/blame/{iteration}", get(blame)),
        ("/api/runs/{run_id}/events/{seq}", get(event)),
        ("/api/runs/{run_id}/failures", get(failures)),
        ("/api/runs/{run_id}/slots", get(slots)),
        ("/api/runs/{run_id}/verdict", get(verdict)),
        ("/api/runs/{run_id}/steering", post(steer)),
        ("/api/runs/{run_id}/branch", post(branch)),
        (
            "/api/runs/{run_id}/ablation",
            get(ablation_routes::state)
                .post(ablation_routes::begin)
                .delete(ablation_routes::cancel),
        ),
        (
            "/api/runs/{run_id}/comparisons/{before}/{after}",
            get(comparison),
        ),
        ("/api/runs/{run_id}/against/{other_id}", get(best_of_runs)),
    ]
}

impl From<SteerError> for Failure {
    fn from(error: SteerError) -> Self {
        let message = error.to_string();
        match error {
            SteerError::Request(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, message),
            SteerError::Run(RunError::Refused(_)) | SteerError::Refused(_) => {
                Self::new(StatusCode::CONFLICT, message)
            }
            SteerError::Run(error) => error.into(),
            _ => Self::new(StatusCode::CONFLICT, message),
        }
    }
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

impl From<DeleteError> for Failure {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::Store(error) => error.into(),
            error @ DeleteError::OpenJob(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
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
        "can_steer": true,
        "runs_jobs": source.helm.runs_jobs(),
        "acts": ACTS.iter().map(|(act, role)| json!({"act": act, "role": role})).collect::<Vec<_>>(),
    }))
}

/// Which runs to list. Without a limit all that meet the conditions are listed.
#[derive(Debug, Deserialize)]
struct ListQuery {
    q: Option<String>,
    status: Option<String>,
    tag: Option<String>,
    name: Option<String>,
    archived: Option<bool>,
    before: Option<String>,
    limit: Option<usize>,
}

async fn runs(
    State(source): State<Source>,
    QueryParams(asked): QueryParams<ListQuery>,
) -> Result<Json<Value>, Failure> {
    let mut selection = RunSelection {
        query: RunQuery {
            before: asked.before.map(|run| run.parse()).transpose()?,
            word: asked.q,
            name: asked.name,
            tags: asked.tag.into_iter().collect(),
            archived: asked.archived,
            ..RunQuery::default()
        },
        state: None,
    };
    if let Some(state) = asked.status.filter(|state| !selection.stands(state)) {
        let message = format!("there is no status `{state}`; `gepa runs --help` lists them");
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, message));
    }
    let store = &**source.views.store();
    let newest = NewestRuns::read(store, &selection, asked.limit.unwrap_or(usize::MAX)).await?;
    let meant = selection.count(store).await?;
    Ok(Json(json!({
        "runs": newest.entries, "meant": meant, "of": newest.of, "tags": newest.tags,
    })))
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

async fn slots(
    State(source): State<Source>,
    PathParams(run): PathParams<String>,
) -> Result<Response, Failure> {
    answer(&source, Resource::OfRun(run.parse()?, Part::Slots)).await
}

async fn verdict(
    State(source): State<Source>,
    PathParams(run): PathParams<String>,
) -> Result<Response, Failure> {
    answer(&source, Resource::OfRun(run.parse()?, Part::Verdict)).await
}

/// Does what a person wants of the run.
async fn steer(
    State(source): State<Source>,
    Extension(caller): Extension<Caller>,
    PathParams(run): PathParams<String>,
    body: Body,
) -> Result<Json<Value>, Failure> {
    let request: SteerRequest = read(body).await?;
    let act = request.act.clone();
    let run = of_caller(&source, &caller, &act, &run).await?;
    let steered = source.helm.steer(&run, request).await?;
    Ok(Json(json!({
        "act": act,
        "seq": steered.seq,
        "at_rest": steered.at_rest,
    })))
}

/// Changes what people wrote beside the run.
async fn label(
    State(source): State<Source>,
    Extension(caller): Extension<Caller>,
    PathParams(run): PathParams<String>,
    body: Body,
) -> Result<Json<RunLabels>, Failure> {
    let run = of_caller(&source, &caller, "label", &run).await?;
    let change: LabelChange = read(body).await?;
    let store = source.helm.writable().await?;
    Ok(Json(store.set_labels(&run, &change).await?))
}

/// Deletes the run.
async fn remove(
    State(source): State<Source>,
    Extension(caller): Extension<Caller>,
    PathParams(run): PathParams<String>,
) -> Result<Json<Value>, Failure> {
    let run = of_caller(&source, &caller, "delete", &run).await?;
    let store = source.helm.writable().await?;
    let freed = delete_run(&*store, &run).await?;
    Ok(Json(json!({"freed_bytes": freed})))
}

/// Where a branch begins, and what differs in it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct BranchRequest {
    iteration: Option<u64>,
    overrides: Map<String, Value>,
}

/// Tables whose keys a branch may set. Others name files, commands and addresses.
const BRANCHED: [&str; 3] = ["budget.", "search.", "run."];

async fn branch(
    State(source): State<Source>,
    Extension(caller): Extension<Caller>,
    PathParams(run): PathParams<String>,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let run = of_caller(&source, &caller, "branch", &run).await?;
    let request: BranchRequest = read(body).await?;
    for key in request.overrides.keys() {
        if !BRANCHED.iter().any(|table| key.starts_with(table)) || key.contains('=') {
            let message = "cannot be set in a branch; keys of `budget`, `search` and `run` can";
            return Err(Failure::unusable(
                format!("`{key}` {message}"),
                vec![(key.clone(), message.to_owned())],
            ));
        }
    }
    let begun = source
        .helm
        .branch(&run, request.iteration, &request.overrides)
        .await?;
    Ok((StatusCode::CREATED, Json(json!({"run_id": begun}))))
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
