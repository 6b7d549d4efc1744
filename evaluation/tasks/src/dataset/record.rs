//! One record of a file, before it becomes a row.

use std::path::Path;

use indexmap::IndexMap;

use super::DatasetError;
use super::value::FieldValue;

/// One record and the line it starts on.
pub(super) struct Record {
    pub(super) line: u64,
    pub(super) values: IndexMap<String, FieldValue>,
}

pub(super) fn push_bounded(
    path: &Path,
    records: &mut Vec<Record>,
    record: Record,
    max_rows: usize,
) -> Result<(), DatasetError> {
    if records.len() >= max_rows {
        return Err(DatasetError::TooManyRows {
            path: path.to_owned(),
            limit: max_rows,
        });
    }
    records.push(record);
    Ok(())
}
