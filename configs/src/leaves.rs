//! The keys of a config with their values, and which of them decide nothing.

use serde_json::Value as Json;

use crate::raw::RawConfig;

/// Keys that decide nothing: how fast a run is, where its models answer, how long they are waited for.
const FREE: [&str; 10] = [
    "run.name",
    "run.max_concurrent",
    "reflection.max_concurrent",
    "reflection.keep_prompts",
    "rollouts.timeout_seconds",
    "rollouts.backoff_seconds",
    "rollouts.max_attempts",
    "evaluator.url",
    "evaluator.processes",
    "evaluator.answer_seconds",
];

/// Tables whose keys decide nothing.
const FREE_TABLES: [&str; 4] = ["providers", "prices", "workers", "limits"];

/// Last parts of keys that decide nothing wherever they stand.
const FREE_ENDINGS: [&str; 4] = [
    "base_url",
    "api_key_env",
    "timeout_seconds",
    "max_line_bytes",
];

/// Keys that name files. What the files hold is compared in their place.
const FILES: [&str; 7] = [
    "dataset.path",
    "dataset.paths",
    "dataset.split.train.files",
    "dataset.split.pareto.files",
    "dataset.split.validation.files",
    "pattern_file",
    "reflection.template_file",
];

pub(crate) fn json(raw: &RawConfig) -> Json {
    serde_json::to_value(raw).unwrap_or_default()
}

/// The leaves of a tree, by key. An absent value is no leaf.
pub(crate) fn flatten(key: &str, value: &Json, leaves: &mut Vec<(String, Json)>) {
    match value {
        Json::Null => {}
        Json::Object(map) => {
            for (name, value) in map {
                let separator = if key.is_empty() { "" } else { "." };
                flatten(&format!("{key}{separator}{name}"), value, leaves);
            }
        }
        Json::Array(items) if items.iter().any(Json::is_object) => {
            for (position, item) in items.iter().enumerate() {
                flatten(&format!("{key}[{position}]"), item, leaves);
            }
        }
        leaf => leaves.push((key.to_owned(), leaf.clone())),
    }
}

pub(crate) fn names_file(key: &str) -> bool {
    FILES.contains(&key) || key.ends_with(".pattern_file")
}

pub(crate) fn is_free(key: &str) -> bool {
    let table = key.split(['.', '[']).next().unwrap_or_default();
    let ending = key.rsplit('.').next().unwrap_or_default();
    FREE.contains(&key)
        || FREE_TABLES.contains(&table)
        || FREE_ENDINGS
            .iter()
            .any(|free| ending == *free || ending.ends_with(&format!("_{free}")))
}
