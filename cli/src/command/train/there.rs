//! Runs a job on a backend.

use std::time::Duration;

use gepa_configs::TaskConfig;
use gepa_jobs::SnapshotView;
use gepa_jobs::train::{History, Outcome};
use serde_json::{Value, json};

use super::announce::{Announcer, Progress};
use super::backend::Backend;
use crate::arguments::TrainArguments;
use crate::error::{CommandError, EXIT_INTERRUPTED};

const JOBS: &str = "/prompt-learning/online/jobs";
/// Events requested in one page.
const PAGE: u64 = 1_000;
/// After more failed polls in a row than this, the command fails.
const PATIENCE: u32 = 24;

/// Submits the job and waits for its end. `None` if the user does not want to wait.
pub(super) async fn run(
    task: &TaskConfig,
    url: &str,
    arguments: &TrainArguments,
) -> Result<Option<Outcome>, CommandError> {
    let backend = Backend::new(url, task.environment())?;
    let body = json!({
        "algorithm": "gepa",
        "config_body": gepa_jobs::submission_body(task),
        "overrides": {},
        "metadata": {"backend_base_url": backend.base()},
        "auto_start": true,
    });
    let created = backend.post(JOBS, &body).await?;
    let id = ["job_id", "id"]
        .into_iter()
        .find_map(|name| created[name].as_str());
    let Some(id) = id else {
        let message = "the backend's answer to the submission has no `job_id`; check that `--backend` names a job backend";
        return Err(CommandError::Backend(message.to_owned()));
    };
    let mut announcer = Announcer::begin(id)?;
    if !arguments.polls() {
        return Ok(None);
    }
    let job = wait(&backend, id, &mut announcer, arguments.poll_interval()).await?;
    Ok(Some(outcome(&backend, id, &job).await?))
}

/// Polls until the job has ended.
async fn wait(
    backend: &Backend,
    id: &str,
    announcer: &mut Announcer,
    pause: Duration,
) -> Result<Value, CommandError> {
    let path = format!("{JOBS}/{id}");
    let mut since = 0;
    let mut progress = Progress::default();
    let mut failures = 0;
    loop {
        let polled = poll(backend, &path, &mut since, &mut progress).await;
        match polled {
            Ok(job) => {
                failures = 0;
                announcer.tell(&progress)?;
                let status = job["status"].as_str().or_else(|| job["state"].as_str());
                let Some(status) = status else {
                    let message = format!(
                        "the backend's answer to `GET {path}` has no `status`; check that `--backend` names a job \
                         backend"
                    );
                    return Err(CommandError::Backend(message));
                };
                if is_terminal(status) {
                    announcer.end(&progress)?;
                    return Ok(job);
                }
            }
            Err(error) if failures >= PATIENCE || !error.may_pass() => return Err(error),
            Err(_) => failures += 1,
        }
        tokio::time::sleep(pause).await;
    }
}

async fn poll(
    backend: &Backend,
    path: &str,
    since: &mut u64,
    progress: &mut Progress,
) -> Result<Value, CommandError> {
    // The status is read first, so that the events read after it include those up to the end.
    let job = backend.get(path).await?;
    loop {
        let page = backend
            .get(&format!("{path}/events?since_seq={since}&limit={PAGE}"))
            .await?;
        let events = page["events"].as_array().or_else(|| page.as_array());
        let events = events.map_or(&[][..], Vec::as_slice);
        for event in events {
            *since = event["seq"].as_u64().unwrap_or_default().max(*since);
            if event["type"] == "prompt.learning.progress" {
                take_in(progress, &event["data"]);
            }
        }
        if (events.len() as u64) < PAGE {
            break;
        }
    }
    let stats = &job["metadata"]["stats"];
    progress.completed = stats["total_rollouts"]
        .as_u64()
        .unwrap_or_default()
        .max(progress.completed);
    progress.trials = stats["trials_tried"]
        .as_u64()
        .unwrap_or_default()
        .max(progress.trials);
    Ok(job)
}

fn take_in(progress: &mut Progress, data: &Value) {
    let count = |name: &str| data[name].as_u64();
    progress.completed = count("rollouts_completed")
        .unwrap_or_default()
        .max(progress.completed);
    progress.total = count("rollouts_total").or(progress.total);
    progress.trials = count("trials_tried").unwrap_or(progress.trials);
    progress.best_score = data["best_score"].as_f64().or(progress.best_score);
    progress.eta_seconds = data["eta_seconds"].as_f64();
}

fn is_terminal(status: &str) -> bool {
    ["succeeded", "failed", "cancelled", "canceled", "completed"].contains(&status)
}

async fn outcome(backend: &Backend, id: &str, job: &Value) -> Result<Outcome, CommandError> {
    let text = |name: &str| job[name].as_str().map(str::to_owned);
    let figures = job["metadata"]["stats"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let status = match job["status"].as_str().or_else(|| job["state"].as_str()) {
        Some("completed") => "succeeded",
        other => other.unwrap_or("unknown"),
    };
    let stop_detail = figures
        .get("stop_detail")
        .and_then(Value::as_str)
        .map(str::to_owned);
    Ok(Outcome {
        job_id: id.to_owned(),
        status: status.to_owned(),
        reason: text("error").or(stop_detail),
        failure_code: status.starts_with("cancel").then_some(EXIT_INTERRUPTED),
        ended_at: text("finished_at")
            .or_else(|| text("updated_at"))
            .unwrap_or_default(),
        stats: figures,
        history: history(backend, id).await?,
    })
}

/// All snapshots of the job, oldest first.
async fn history(backend: &Backend, id: &str) -> Result<History, CommandError> {
    let path = format!("{JOBS}/{id}");
    let listed = backend.get(&format!("{path}/artifacts")).await?;
    let rows = listed.as_array().or_else(|| listed["artifacts"].as_array());
    let mut ids: Vec<&str> = Vec::new();
    for row in rows.into_iter().flatten() {
        let id = row["snapshot_id"].as_str().unwrap_or_default();
        if !id.is_empty() && !ids.contains(&id) {
            ids.push(id);
        }
    }
    let mut snapshots = Vec::new();
    for id in ids {
        let snapshot = backend.get(&format!("{path}/snapshots/{id}")).await?;
        let snapshot = serde_json::from_value::<SnapshotView>(snapshot).map_err(|error| {
            let message = format!("the backend's snapshot {id} cannot be read: {error}");
            CommandError::Backend(message)
        })?;
        snapshots.push(snapshot);
    }
    // Several may be stored at one instant, but these counts never fall.
    snapshots.sort_by_key(|snapshot| {
        let payload = &snapshot.payload;
        let counters = &payload.counters;
        (
            counters.total_rollouts,
            counters.trials_tried,
            counters.iterations,
            payload.archive.len(),
            snapshot.created_at.clone(),
        )
    });
    let mut history = History::default();
    for snapshot in snapshots {
        history.add(snapshot);
    }
    Ok(history)
}
