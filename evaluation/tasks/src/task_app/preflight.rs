//! Checks of an app before the first rollout.

use std::time::Duration;

use serde_json::Value;

use super::client::{AppAnswer, AppClient, AppFault};
use super::error::TaskAppError;
use super::settings::TaskAppSettings;

/// How long an app may take to answer a health check.
const PATIENCE: Duration = Duration::from_secs(15);

/// Checks that the app is there, takes the key, and has the splits the settings name.
pub(super) async fn preflight(
    client: &AppClient,
    settings: &TaskAppSettings,
) -> Result<(), TaskAppError> {
    ask(client, "/health").await?;
    let task_info = ask(client, "/task_info").await?;
    check_splits(settings, &task_info.json())
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
