//! Reads a [`RawConfig`] from a table of our own format, and reports every unknown key.

use gepa_engine::Problem;
use serde::Deserialize;
use serde_json::Value as Json;
use toml::{Table, Value};

use crate::document::ConfigDocument;
use crate::leaves::json;
use crate::other_names::{name_here, own_name};
use crate::problem::ConfigError;
use crate::raw::RawConfig;
use crate::schema::{keys_at, nearest};

/// Values that no config may have any more.
const REMOVED: [&str; 2] = ["regate", "likely"];

/// Reads a table. `document` gives the places of its keys.
pub(crate) fn read_raw(table: Table, document: &ConfigDocument) -> Result<RawConfig, ConfigError> {
    let written = Value::Table(table.clone());
    let table = with_usual_kind(table);
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
        Ok(raw) => {
            if !document.is_stored() {
                lists_read_as_tables("", &written, &json(&raw), &mut problems);
            }
            if problems.is_empty() {
                return Ok(raw);
            }
        }
        Err(error) => problems.push(wrong_value(&plain_path(&track.path().to_string()), &error)),
    }
    Err(document.locate_all(problems))
}

/// The evaluator is `dataset` unless its table says or shows otherwise.
fn with_usual_kind(mut table: Table) -> Table {
    let usual = keys_at_usual();
    if let Some(Value::Table(evaluator)) = table.get_mut("evaluator")
        && !evaluator.contains_key("kind")
        && evaluator.keys().all(|key| usual.contains(&key.as_str()))
    {
        evaluator.insert("kind".to_owned(), Value::from("dataset"));
    }
    table
}

/// The keys of an evaluator that reads rows.
fn keys_at_usual() -> [&'static str; 3] {
    ["deterministic", "keep_reasoning", "score_range"]
}

/// The library reads a table from a list as well, by the places of its keys, which no user means.
fn lists_read_as_tables(key: &str, written: &Value, read: &Json, problems: &mut Vec<Problem>) {
    match (written, read) {
        (Value::Array(items), Json::Object(_)) if !items.is_empty() => {
            let text =
                format!("is a list; it must be a table: `[{key}]` and lines such as `key = value`");
            problems.push(Problem::new(key, text));
        }
        (Value::Array(items), Json::Array(values)) => {
            for (position, (item, value)) in items.iter().zip(values).enumerate() {
                lists_read_as_tables(&format!("{key}[{position}]"), item, value, problems);
            }
        }
        (Value::Table(table), Json::Object(values)) => {
            for (name, item) in table {
                let separator = if key.is_empty() { "" } else { "." };
                if let Some(value) = values.get(name) {
                    let key = format!("{key}{separator}{name}");
                    lists_read_as_tables(&key, item, value, problems);
                }
            }
        }
        _ => {}
    }
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
    if let Some(here) = name_here(table, key) {
        return Problem::new(path, format!("is not a known key; here it is {here}"));
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
    if path == "evaluator" && message == "missing field `kind`" {
        let text = "needs the key `kind`: `dataset`, `process` or `task_app`";
        return Problem::new(path, text);
    }
    // Journals of former versions may hold these values, so the type still has them.
    let message = REMOVED.iter().fold(message.to_owned(), |message, removed| {
        message.replace(&format!(", `{removed}`"), "")
    });
    let meant = meant_variant(&message);
    let hint = meant.map_or_else(String::new, |one| format!("; did you mean `{one}`?"));
    Problem::new(path, format!("has a wrong value: {message}{hint}"))
}

/// The value of a list of words that a wrong one is nearest to, or a part of, such as `token_f1` for `f1`.
fn meant_variant(message: &str) -> Option<String> {
    let (wrong, known) = message
        .strip_prefix("unknown variant `")?
        .split_once("`, expected ")?;
    let known: Vec<String> = known
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    let wrong = wrong.to_ascii_lowercase();
    let part = known
        .iter()
        .find(|one| one.split('_').any(|part| part == wrong));
    part.map(String::as_str)
        .or_else(|| nearest(&wrong, &known).filter(|one| strsim::levenshtein(&wrong, one) <= 2))
        .map(str::to_owned)
}
