//! Bytes of a file to records of named values.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use indexmap::IndexMap;
use serde_json::Value;

use super::{DatasetError, DatasetFormat, DatasetSettings, TextEncoding};

/// One record and the line it starts on.
pub(super) struct Record {
    pub(super) line: u64,
    pub(super) values: IndexMap<String, Value>,
}

pub(super) fn read_records(
    path: &Path,
    settings: &DatasetSettings,
) -> Result<Vec<Record>, DatasetError> {
    let format = format_of(path, settings)?;
    let bytes = read_bounded(path, settings.max_megabytes)?;
    let text = decode(path, bytes, settings.encoding)?;
    let records = match format {
        DatasetFormat::Jsonl => {
            if settings.columns.is_some() || settings.delimiter.is_some() {
                return Err(DatasetError::BadSettings(
                    "`columns` and `delimiter` mean nothing for JSONL, remove them".to_owned(),
                ));
            }
            read_json_lines(path, &text, settings.max_rows)?
        }
        DatasetFormat::Csv => read_columns(path, &text, settings, b',', true)?,
        DatasetFormat::Tsv => read_columns(path, &text, settings, b'\t', false)?,
    };
    Ok(records)
}

fn format_of(path: &Path, settings: &DatasetSettings) -> Result<DatasetFormat, DatasetError> {
    if let Some(format) = settings.format {
        return Ok(format);
    }
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("jsonl" | "ndjson") => Ok(DatasetFormat::Jsonl),
        Some("csv") => Ok(DatasetFormat::Csv),
        Some("tsv") => Ok(DatasetFormat::Tsv),
        _ => Err(DatasetError::UnknownFormat {
            path: path.to_owned(),
        }),
    }
}

fn read_bounded(path: &Path, max_megabytes: u64) -> Result<Vec<u8>, DatasetError> {
    let unreadable = |source| DatasetError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let limit = max_megabytes.saturating_mul(1_000_000);
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(unreadable)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(DatasetError::TooLarge {
            path: path.to_owned(),
            limit: max_megabytes,
        });
    }
    Ok(bytes)
}

fn decode(path: &Path, bytes: Vec<u8>, encoding: TextEncoding) -> Result<String, DatasetError> {
    if encoding == TextEncoding::Latin1 {
        return Ok(bytes.into_iter().map(char::from).collect());
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count() as u64;
        DatasetError::NotUtf8 {
            path: path.to_owned(),
            line,
        }
    })?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}

fn read_json_lines(path: &Path, text: &str, max_rows: usize) -> Result<Vec<Record>, DatasetError> {
    let mut records = Vec::new();
    for (index, content) in text.lines().enumerate() {
        if content.trim().is_empty() {
            continue;
        }
        let line = index as u64 + 1;
        let values = serde_json::from_str(content).map_err(|error| DatasetError::BadLine {
            path: path.to_owned(),
            line,
            reason: format!("not a JSON object ({error}); write one object per line"),
        })?;
        push_bounded(path, &mut records, Record { line, values }, max_rows)?;
    }
    Ok(records)
}

fn read_columns(
    path: &Path,
    text: &str,
    settings: &DatasetSettings,
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
        .from_reader(text.as_bytes());
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
        if fields.len() != names.len() {
            return Err(wrong_width(path, line, fields.len(), names.len()));
        }
        let values = names
            .iter()
            .zip(&fields)
            .map(|(name, field)| (name.clone(), Value::String(field.to_owned())))
            .collect();
        push_bounded(
            path,
            &mut records,
            Record { line, values },
            settings.max_rows,
        )?;
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

fn wrong_width(path: &Path, line: u64, found: usize, expected: usize) -> DatasetError {
    DatasetError::BadLine {
        path: path.to_owned(),
        line,
        reason: format!(
            "{found} columns where {expected} were expected; quote fields that contain the delimiter, or set `delimiter` or `columns`"
        ),
    }
}

fn column_error(path: &Path, error: &csv::Error) -> DatasetError {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            wrong_width(path, line, *len as usize, *expected_len as usize)
        }
        _ => DatasetError::BadLine {
            path: path.to_owned(),
            line: error.position().map_or(0, csv::Position::line),
            reason: format!("{error}; check `delimiter` and quoting"),
        },
    }
}

fn push_bounded(
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
