//! JSON lines and JSON arrays.

use std::path::Path;

use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::DatasetError;
use super::record::{Record, push_bounded};
use super::value::FieldValue;

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
