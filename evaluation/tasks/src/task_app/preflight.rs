//! Checks of an app before the first rollout.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::client::{AppAnswer, AppClient, AppFault};
use super::error::TaskAppError;
use super::settings::TaskAppSettings;
use gepa_models::answers_without_tls;

/// How long an app may take to answer a health check.
const PATIENCE: Duration = Duration::from_secs(15);

/// What an app says about itself that its scores rest on, by name.
pub type AppFacts = BTreeMap<String, Value>;

/// Checks that the app is there, takes the key, and has the splits the settings name. Returns what it
/// says about its version and its data.
pub(super) async fn preflight(
    client: &AppClient,
    settings: &TaskAppSettings,
) -> Result<AppFacts, TaskAppError> {
    let health = ask(client, "/health").await?.json();
    let task_info = ask(client, "/task_info").await?.json();
    check_splits(settings, &task_info)?;
    Ok(facts(&health, &task_info))
}

fn facts(health: &Value, task_info: &Value) -> AppFacts {
    let taskset = task_info.get("taskset").unwrap_or(task_info);
    let task = task_info.get("task").unwrap_or(&Value::Null);
    let said = [
        ("version", health.get("version")),
        ("task version", task.get("version")),
        ("task", taskset.get("id")),
        ("task set version", taskset.get("version")),
        ("data set", taskset.get("hf_dataset")),
        ("sizes", taskset.get("sizes")),
    ];
    let said = said.into_iter().filter_map(|(name, value)| {
        let value = value.filter(|value| !value.is_null())?;
        Some((name.to_owned(), value.clone()))
    });
    said.collect()
}

async fn ask(client: &AppClient, path: &'static str) -> Result<AppAnswer, TaskAppError> {
    let url = client.url.clone();
    let answer = match client.get(path, PATIENCE).await {
        Ok(answer) => answer,
        Err(fault) => {
            let reason = match fault {
                AppFault::Unreachable(reason) | AppFault::Broken(reason) => reason,
                AppFault::TimedOut(limit) => format!("no answer within {} s", limit.as_secs()),
                AppFault::TooLarge => "its answer is too large".to_owned(),
            };
            let reason = if answers_without_tls(&reason) {
                format!("{reason}: it answers without TLS, write http:// in `url`")
            } else {
                reason
            };
            return Err(TaskAppError::Unreachable { url, reason });
        }
    };
    if let Some(error) = client.refused_key(&answer) {
        return Err(error);
    }
    let status = answer.status;
    match status {
        200 => Ok(answer),
        429 | 500.. => Err(TaskAppError::NotReady { url, path, status }),
        _ => Err(TaskAppError::NotATaskApp { url, path, status }),
    }
}

/// An app that names no splits is assumed to have every split.
fn check_splits(settings: &TaskAppSettings, task_info: &Value) -> Result<(), TaskAppError> {
    let taskset = task_info.get("taskset").unwrap_or(task_info);
    let listed = taskset.get("splits").and_then(Value::as_array);
    let known: Vec<&str> = listed
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let wanted = [&settings.split, &settings.validation_split];
    let unknown = wanted
        .into_iter()
        .flatten()
        .find(|split| !known.contains(&split.as_str()));
    match unknown {
        Some(split) if !known.is_empty() => Err(TaskAppError::UnknownSplit {
            split: split.clone(),
            known: known.join(", "),
        }),
        _ => Ok(()),
    }
}
