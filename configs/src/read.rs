//! From a table of our own dialect to a [`RawConfig`], with an answer to every key that is not known.

use gepa_engine::Problem;
use toml::{Table, Value};

use crate::document::ConfigDocument;
use crate::problem::ConfigError;
use crate::raw::RawConfig;
use crate::schema::{keys_at, nearest};

/// Reads a table; `document` says where its keys stand.
pub(crate) fn read_raw(table: Table, document: &ConfigDocument) -> Result<RawConfig, ConfigError> {
    let mut unknown: Vec<String> = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let value = Value::Table(table);
    let tracked = serde_path_to_error::Deserializer::new(value, &mut track);
    let mut collect = |path: serde_ignored::Path<'_>| unknown.push(plain_path(&path.to_string()));
    let raw = serde_ignored::deserialize::<_, _, RawConfig>(tracked, &mut collect);
    let mut problems: Vec<Problem> = unknown.iter().map(|key| unknown_key(key)).collect();
    match raw {
        Ok(raw) if problems.is_empty() => return Ok(raw),
        Ok(_) => {}
        Err(error) => problems.push(wrong_value(&plain_path(&track.path().to_string()), &error)),
    }
    Err(document.locate_all(problems))
}

/// Libraries write optional and newtype steps as `?`; people do not type them.
fn plain_path(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('.')
        .filter(|part| !matches!(*part, "" | "?"))
        .collect();
    parts.join(".").replace(".[", "[")
}

fn unknown_key(path: &str) -> Problem {
    let (table, key) = path.rsplit_once('.').unwrap_or(("", path));
    let keys = keys_at(table);
    let message = match nearest(key, &keys) {
        Some(known) => format!("is not a known key; did you mean `{known}`?"),
        None => format!("is not a known key; known here: {}", keys.join(", ")),
    };
    Problem::new(path, message)
}

fn wrong_value(path: &str, error: &toml::de::Error) -> Problem {
    let message = error.message().trim_end();
    // Tagged tables refuse unknown keys themselves, in these words.
    let unknown = message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split_once('`'));
    if let Some((key, _)) = unknown {
        let full = if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        };
        return unknown_key(&full);
    }
    Problem::new(path, format!("has a wrong value: {message}"))
}
