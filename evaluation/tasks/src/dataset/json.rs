//! JSON lines and JSON arrays.

use std::path::Path;

use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::DatasetError;
use super::record::{Record, push_bounded};
use super::value::FieldValue;

/// Usual keys of the rows in files that hold more than rows.
const KEYS_OF_ROWS: [&str; 6] = ["data", "rows", "examples", "items", "records", "instances"];

/// Reads one object per line, or one array of objects. The first character decides between the
/// two.
pub(super) fn read_json(
    path: &Path,
    text: &str,
    max_rows: usize,
) -> Result<Vec<Record>, DatasetError> {
    if text.trim_start().starts_with('[') {
        return read_array(path, text, max_rows);
    }
    if let Some(name) = key_of_rows(text) {
        return Err(DatasetError::BadLine {
            path: path.to_owned(),
            line: 1,
            reason: format!(
                "the file is one object, and its rows are the list under `{name}`; write that list alone, for \
                 example with `jq .{name}`"
            ),
        });
    }
    let mut records = Vec::new();
    for (index, content) in text.lines().enumerate() {
        if content.trim().is_empty() {
            continue;
        }
        let line = index as u64 + 1;
        let values = values_of(content).map_err(|error| DatasetError::BadLine {
            path: path.to_owned(),
            line,
            reason: format!(
                "not a JSON object ({error}); write one object per line, or one array of objects"
            ),
        })?;
        push_bounded(path, &mut records, Record { line, values }, max_rows)?;
    }
    Ok(records)
}

/// The key of a file's only object that holds the rows: the only key, or one with a usual name, of a list of
/// objects.
fn key_of_rows(text: &str) -> Option<String> {
    let fields: IndexMap<String, Box<RawValue>> = serde_json::from_str(text).ok()?;
    let is_list = |value: &RawValue| {
        let items = serde_json::from_str::<Vec<&RawValue>>(value.get()).unwrap_or_default();
        items.len() > 1 && items.iter().all(|item| item.get().starts_with('{'))
    };
    let is_usual = |name: &str| fields.len() == 1 || KEYS_OF_ROWS.contains(&name);
    let mut found = fields
        .iter()
        .filter(|(name, value)| is_usual(name) && is_list(value));
    let (name, _) = found.next()?;
    Some(name.clone())
}

fn read_array(path: &Path, text: &str, max_rows: usize) -> Result<Vec<Record>, DatasetError> {
    let bad = |line: u64, reason: String| DatasetError::BadLine {
        path: path.to_owned(),
        line,
        reason,
    };
    let items: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|error| bad(error.line() as u64, format!("not a JSON array ({error})")))?;
    let mut records = Vec::new();
    let (mut counted, mut line) = (0, 1);
    for item in items {
        let start = item.get().as_ptr().addr() - text.as_ptr().addr();
        line += text[counted..start].matches('\n').count() as u64;
        counted = start;
        let values = values_of(item.get()).map_err(|error| {
            bad(
                line,
                format!("not a JSON object ({error}); every item must be one"),
            )
        })?;
        push_bounded(path, &mut records, Record { line, values }, max_rows)?;
    }
    Ok(records)
}

pub(super) fn values_of(object: &str) -> serde_json::Result<IndexMap<String, FieldValue>> {
    let fields: IndexMap<String, Box<RawValue>> = serde_json::from_str(object)?;
    fields
        .into_iter()
        .map(|(name, value)| Ok((name, FieldValue::of_json(value)?)))
        .collect()
}
