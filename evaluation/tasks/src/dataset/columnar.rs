//! Parquet and Arrow files. Their columns become JSON lines, which are read like any others.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_json::WriterBuilder;
use arrow_json::writer::LineDelimited;
use arrow_schema::{ArrowError, DataType, Schema};
use hyper::body::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::json::values_of;
use super::record::{Record, push_bounded};
use super::{DatasetError, DatasetFormat, DatasetSettings};

/// How Arrow files begin; Arrow streams have no such mark.
const ARROW_FILE: &[u8] = b"ARROW1";

/// The rows of a Parquet or Arrow file. A record's line is the number of its row, from 1.
pub(super) fn read_columnar(
    path: &Path,
    bytes: Vec<u8>,
    format: DatasetFormat,
    settings: &DatasetSettings,
    max_rows: usize,
) -> Result<Vec<Record>, DatasetError> {
    let reading = AssertUnwindSafe(|| {
        let batches = batches(bytes, format).map_err(|error| damaged(path, &error.to_string()))?;
        records(path, batches, settings, max_rows)
    });
    // The readers of these formats check a damaged file less than this crate has to.
    catch_unwind(reading).unwrap_or_else(|_| Err(damaged(path, "its parts contradict each other")))
}

fn batches(
    bytes: Vec<u8>,
    format: DatasetFormat,
) -> Result<Box<dyn RecordBatchReader>, ArrowError> {
    if format == DatasetFormat::Parquet {
        let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes))?;
        return Ok(Box::new(builder.build()?));
    }
    let is_file = bytes.starts_with(ARROW_FILE);
    let content = Cursor::new(bytes);
    Ok(if is_file {
        Box::new(FileReader::try_new(content, None)?)
    } else {
        Box::new(StreamReader::try_new(content, None)?)
    })
}

fn records(
    path: &Path,
    batches: Box<dyn RecordBatchReader>,
    settings: &DatasetSettings,
    max_rows: usize,
) -> Result<Vec<Record>, DatasetError> {
    check_columns(path, &batches.schema())?;
    let limit = settings.max_megabytes.saturating_mul(1_000_000);
    let mut read = 0;
    let mut records = Vec::new();
    for batch in batches {
        let lines = batch.and_then(|batch| lines(&batch));
        let lines = lines.map_err(|error| damaged(path, &error.to_string()))?;
        read += lines.len() as u64;
        if read > limit {
            return Err(DatasetError::TooLarge {
                path: path.to_owned(),
                limit: settings.max_megabytes,
            });
        }
        for content in lines.lines() {
            let values = values_of(content).map_err(|error| damaged(path, &error.to_string()))?;
            let line = records.len() as u64 + 1;
            push_bounded(path, &mut records, Record { line, values }, max_rows)?;
        }
    }
    Ok(records)
}

fn lines(batch: &RecordBatch) -> Result<String, ArrowError> {
    let mut bytes = Vec::new();
    let builder = WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, LineDelimited>(&mut bytes);
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    String::from_utf8(bytes).map_err(|error| ArrowError::ExternalError(Box::new(error)))
}

/// Refuses columns that no prompt can show, by name.
fn check_columns(path: &Path, schema: &Schema) -> Result<(), DatasetError> {
    let bad = schema.fields().iter().find_map(|field| {
        let unsupported = unsupported(field.data_type())?;
        Some((field.name(), unsupported))
    });
    match bad {
        None => Ok(()),
        Some((column, kind)) => Err(DatasetError::UnsupportedColumn {
            path: path.to_owned(),
            column: column.clone(),
            kind,
        }),
    }
}

/// The type within `kind` that has no text, if there is one.
fn unsupported(kind: &DataType) -> Option<String> {
    match kind {
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_)
        | DataType::Union(..)
        | DataType::RunEndEncoded(..) => Some(kind.to_string()),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => unsupported(field.data_type()),
        DataType::Struct(fields) => fields
            .iter()
            .find_map(|field| unsupported(field.data_type())),
        DataType::Dictionary(_, values) => unsupported(values),
        _ => None,
    }
}

fn damaged(path: &Path, reason: &str) -> DatasetError {
    DatasetError::Damaged {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}
