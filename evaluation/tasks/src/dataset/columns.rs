//! CSV and TSV.

use std::path::Path;

use super::record::{Record, push_bounded};
use super::value::FieldValue;
use super::{DatasetError, DatasetSettings};

/// The delimiters that files have between their columns.
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];

/// Reads a file of columns; without `columns` its first line has their names.
pub(super) fn read_columns(
    path: &Path,
    text: &str,
    settings: &DatasetSettings,
    max_rows: usize,
    default_delimiter: u8,
    quoting: bool,
) -> Result<Vec<Record>, DatasetError> {
    let delimiter = match settings.delimiter {
        None => default_delimiter,
        Some(delimiter) => u8::try_from(delimiter)
            .ok()
            .filter(u8::is_ascii)
            .ok_or_else(|| {
                DatasetError::BadSettings(format!(
                    "`delimiter` must be one ASCII character, not `{delimiter}`"
                ))
            })?,
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .quoting(quoting)
        .flexible(true)
        .from_reader(text.as_bytes());
    if quoting && let Some(line) = unclosed_quote(text, delimiter) {
        return Err(DatasetError::BadLine {
            path: path.to_owned(),
            line,
            reason:
                "a quote begins in this line and never ends; close it, or write `\"\"` for a quote \
                     inside of quotes"
                    .to_owned(),
        });
    }
    let mut columns = settings.columns.clone();
    let mut records = Vec::new();
    for result in reader.records() {
        let fields = result.map_err(|error| column_error(path, &error))?;
        let line = fields.position().map_or(0, csv::Position::line);
        let Some(names) = &columns else {
            columns = Some(fields.iter().map(|name| name.trim().to_owned()).collect());
            continue;
        };
        check_names(path, names)?;
        let of_other = (records.is_empty() && names.len() == 1)
            .then(|| other_delimiter(&names[0], fields.as_slice(), delimiter))
            .flatten();
        if let Some(other) = of_other {
            return Err(DatasetError::BadLine {
                path: path.to_owned(),
                line: 1,
                reason: format!(
                    "the header is the one column `{}`; set `delimiter = {other:?}`",
                    names[0]
                ),
            });
        }
        if fields.len() != names.len() {
            let spans = fields.iter().map(|field| field.matches('\n').count()).sum();
            return Err(wrong_width(path, line, fields.len(), names.len(), spans));
        }
        let values = names
            .iter()
            .zip(&fields)
            .map(|(name, field)| (name.clone(), FieldValue::of_text(field.to_owned())))
            .collect();
        push_bounded(path, &mut records, Record { line, values }, max_rows)?;
    }
    Ok(records)
}

fn check_names(path: &Path, names: &[String]) -> Result<(), DatasetError> {
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            return Err(DatasetError::BadLine {
                path: path.to_owned(),
                line: 1,
                reason: format!("column `{name}` occurs twice; rename one, or set `columns`"),
            });
        }
    }
    Ok(())
}

fn wrong_width(
    path: &Path,
    line: u64,
    found: usize,
    expected: usize,
    line_ends: usize,
) -> DatasetError {
    let spans = match line_ends {
        0 => String::new(),
        more => format!(
            " (this row goes over {} lines: is a quote not closed?)",
            more + 1
        ),
    };
    DatasetError::BadLine {
        path: path.to_owned(),
        line,
        reason: format!(
            "{found} columns where {expected} were expected{spans}; quote fields that contain the delimiter, or set `delimiter` or `columns`"
        ),
    }
}

fn column_error(path: &Path, error: &csv::Error) -> DatasetError {
    DatasetError::BadLine {
        path: path.to_owned(),
        line: error.position().map_or(0, csv::Position::line),
        reason: format!("{error}; check `delimiter` and quoting"),
    }
}

/// The line, from 1, of a quote at the beginning of a field that is never closed.
fn unclosed_quote(text: &str, delimiter: u8) -> Option<u64> {
    let mut line = 1;
    let mut opened = None;
    let mut at_start = true;
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\n' {
            line += 1;
        }
        match (opened, byte) {
            (None, b'"') if at_start => opened = Some(line),
            (Some(_), b'"') if bytes.peek() == Some(&b'"') => {
                bytes.next();
            }
            (Some(_), b'"') => opened = None,
            _ => {}
        }
        at_start = opened.is_none() && (byte == delimiter || byte == b'\n');
    }
    opened
}

/// A delimiter that the header has as often as the first row, where the one in force splits neither.
fn other_delimiter(header: &str, row: &str, delimiter: u8) -> Option<char> {
    DELIMITERS.into_iter().find(|other| {
        let count = header.matches(*other).count();
        *other != char::from(delimiter) && count > 0 && row.matches(*other).count() >= count
    })
}
