//! From a submitted config to a task that may not reach for anything local.

use std::path::Path;

use gepa_engine::config::{ConfigError, ConfigSource, LocatedProblem, Origin, Problem, TaskConfig};
use gepa_evaluation::Environment;
use serde_json::{Map, Value, json};

/// A submission, checked.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) task: TaskConfig,
    /// The config after overrides, without secrets.
    pub(super) config_body: Value,
    /// What it asks for and does not get.
    pub(super) notes: Vec<String>,
}

/// Tables and keys that name files or commands of the machine the server runs on.
const LOCAL: [&str; 5] = [
    "dataset",
    "command",
    "pattern_file",
    "template_file",
    "env_file",
];

/// Reads and checks a submitted config.
pub(super) fn load_submission(
    body: &Value,
    overrides: &Map<String, Value>,
    environment: &Environment,
) -> Result<Submission, ConfigError> {
    let settings: Vec<String> = overrides
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let local = local_keys(body, "");
    if !local.is_empty() {
        let problems = local.into_iter().map(refused).collect();
        return Err(ConfigError { problems });
    }
    let _ = environment;
    let source = ConfigSource {
        file: Path::new("submitted config"),
        // Variables of the server override the configs of its own user only.
        environment: &Environment::default(),
        overrides: &settings,
    };
    let task = source.load_stored(&json!({"settings": body, "directory": ""}))?;
    let config_body = task.described.get("settings").cloned().unwrap_or_default();
    Ok(Submission {
        task,
        config_body,
        notes: Vec::new(),
    })
}

/// Reads what was stored of a submitted config.
pub(super) fn load_stored(
    stored: &Value,
    environment: &Environment,
) -> Result<TaskConfig, ConfigError> {
    let _ = environment;
    let source = ConfigSource {
        file: Path::new("stored config"),
        environment: &Environment::default(),
        overrides: &[],
    };
    source.load_stored(stored)
}

fn local_keys(value: &Value, path: &str) -> Vec<String> {
    let Value::Object(table) = value else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, inner) in table {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        if LOCAL.contains(&key.as_str()) {
            found.push(path);
        } else {
            found.extend(local_keys(inner, &path));
        }
    }
    found
}

fn refused(key: String) -> LocatedProblem {
    LocatedProblem {
        file: "submitted config".to_owned(),
        line: None,
        origin: Origin::File,
        problem: Problem::new(
            key,
            "names something on the server's machine, which a submitted config cannot; use `gepa run`",
        ),
    }
}
