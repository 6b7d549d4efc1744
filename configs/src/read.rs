//! Reads a [`RawConfig`] from a table of our own format, and reports every unknown key.

use gepa_engine::Problem;
use serde::Deserialize;
use toml::{Table, Value};

use crate::document::ConfigDocument;
use crate::other_names::own_name;
use crate::problem::ConfigError;
use crate::raw::RawConfig;
use crate::schema::{keys_at, nearest};

/// Values that no config may have any more.
const REMOVED: [&str; 2] = ["regate", "likely"];

/// Reads a table. `document` gives the places of its keys.
pub(crate) fn read_raw(table: Table, document: &ConfigDocument) -> Result<RawConfig, ConfigError> {
    let mut unknown: Vec<String> = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let value = Value::Table(table);
    let tracked = serde_path_to_error::Deserializer::new(value, &mut track);
    let mut collect = |path: serde_ignored::Path<'_>| unknown.push(plain_path(&path.to_string()));
    let ignored = serde_ignored::Deserializer::new(tracked, &mut collect);
    // Otherwise every type of a setting would be compiled once more for every wrapper.
    let mut erased = <dyn erased_serde::Deserializer>::erase(ignored);
    let raw = RawConfig::deserialize(&mut erased as &mut dyn erased_serde::Deserializer);
    drop(erased);
    let mut problems: Vec<Problem> = unknown.iter().map(|key| unknown_key(key)).collect();
    match raw {
        Ok(raw) if problems.is_empty() => return Ok(raw),
        Ok(_) => {}
        Err(error) => problems.push(wrong_value(&plain_path(&track.path().to_string()), &error)),
    }
    Err(document.locate_all(problems))
}

/// Removes the `?` that the library writes for optional and newtype steps of a path.
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
    if let Some(own) = own_name(key).filter(|_| !keys.iter().any(|known| known == key)) {
        return Problem::new(
            path,
            format!("is a key of another program; here it is {own}"),
        );
    }
    let message = match nearest(key, &keys) {
        Some(known) => format!("is not a known key; did you mean `{known}`?"),
        None => format!("is not a known key; known here: {}", keys.join(", ")),
    };
    Problem::new(path, message)
}

fn wrong_value(path: &str, error: &erased_serde::Error) -> Problem {
    let text = error.to_string();
    // The library adds a line with the key for each table around the value.
    let message = text.split("\nin `").next().unwrap_or(&text).trim_end();
    // Tagged tables refuse unknown keys themselves, with this message.
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
    // Journals of former versions may hold these values, so the type still has them.
    let message = REMOVED.iter().fold(message.to_owned(), |message, removed| {
        message.replace(&format!(", `{removed}`"), "")
    });
    Problem::new(path, format!("has a wrong value: {message}"))
}
