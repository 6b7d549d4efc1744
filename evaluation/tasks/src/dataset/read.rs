//! Bytes of a file to records of named values.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::columns::read_columns;
use super::json::read_json;
use super::record::Record;
use super::{DatasetError, DatasetFormat, DatasetSettings, TextEncoding};
use gepa_models::open_named;

/// Endings of compressed files. The name before the ending gives the format.
const GZIP: &str = ".gz";
const ZSTD: &str = ".zst";

/// The first bytes of compressed files, which decide under any name.
const GZIP_BEGINS: [u8; 2] = [0x1f, 0x8b];
const ZSTD_BEGINS: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Reads at most `max_rows` records; more are an error.
pub(super) fn read_records(
    path: &Path,
    settings: &DatasetSettings,
    max_rows: usize,
) -> Result<Vec<Record>, DatasetError> {
    let format = format_of(path, settings)?;
    if matches!(format, DatasetFormat::Parquet | DatasetFormat::Arrow) {
        return read_columnar(path, format, settings, max_rows);
    }
    let bytes = read_bounded(path, settings.max_megabytes)?;
    let text = decode(path, bytes, settings.encoding)?;
    let records = match format {
        DatasetFormat::Jsonl | DatasetFormat::Json => {
            if settings.columns.is_some() || settings.delimiter.is_some() {
                return Err(DatasetError::BadSettings(
                    "`columns` and `delimiter` mean nothing for JSON, remove them".to_owned(),
                ));
            }
            read_json(path, &text, max_rows)?
        }
        DatasetFormat::Csv => read_columns(path, &text, settings, max_rows, b',', true)?,
        DatasetFormat::Tsv => read_columns(path, &text, settings, max_rows, b'\t', false)?,
        DatasetFormat::Parquet | DatasetFormat::Arrow => Vec::new(),
    };
    Ok(records)
}

#[cfg(feature = "parquet")]
fn read_columnar(
    path: &Path,
    format: DatasetFormat,
    settings: &DatasetSettings,
    max_rows: usize,
) -> Result<Vec<Record>, DatasetError> {
    let has_texts = settings.encoding != TextEncoding::default();
    if settings.columns.is_some() || settings.delimiter.is_some() || has_texts {
        return Err(DatasetError::BadSettings(
            "`columns`, `delimiter` and `encoding` mean nothing for Parquet and Arrow, remove them"
                .to_owned(),
        ));
    }
    let bytes = read_bounded(path, settings.max_megabytes)?;
    super::columnar::read_columnar(path, bytes, format, settings, max_rows)
}

#[cfg(not(feature = "parquet"))]
fn read_columnar(
    path: &Path,
    _format: DatasetFormat,
    _settings: &DatasetSettings,
    _max_rows: usize,
) -> Result<Vec<Record>, DatasetError> {
    Err(DatasetError::NotBuilt {
        path: path.to_owned(),
    })
}

fn format_of(path: &Path, settings: &DatasetSettings) -> Result<DatasetFormat, DatasetError> {
    if let Some(format) = settings.format {
        return Ok(format);
    }
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let plain = name.strip_suffix(GZIP).or_else(|| name.strip_suffix(ZSTD));
    let extension = plain.unwrap_or(&name).rsplit_once('.');
    match extension.map(|(_, extension)| extension) {
        Some("json") => Ok(DatasetFormat::Json),
        Some("jsonl" | "ndjson") => Ok(DatasetFormat::Jsonl),
        Some("csv") => Ok(DatasetFormat::Csv),
        Some("tsv") => Ok(DatasetFormat::Tsv),
        Some("parquet" | "pq") => Ok(DatasetFormat::Parquet),
        Some("arrow" | "feather" | "ipc") => Ok(DatasetFormat::Arrow),
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
    let mut file = BufReader::new(open_named(path).map_err(unreadable)?);
    let name = path.to_string_lossy().to_lowercase();
    let beginning = file.fill_buf().map_err(unreadable)?;
    let [is_gzip, is_zstd] =
        [&GZIP_BEGINS[..], &ZSTD_BEGINS].map(|begins| beginning.starts_with(begins));
    let content: Box<dyn Read> = if is_gzip {
        Box::new(flate2::bufread::MultiGzDecoder::new(file))
    } else if is_zstd {
        let decoder = ruzstd::decoding::StreamingDecoder::new(file)
            .map_err(|error| unreadable(std::io::Error::other(error)))?;
        Box::new(decoder)
    } else if let Some(ending) = [GZIP, ZSTD].into_iter().find(|one| name.ends_with(one)) {
        return Err(DatasetError::Damaged {
            path: path.to_owned(),
            reason: format!("it is called `{ending}` and is not compressed so"),
        });
    } else {
        Box::new(file)
    };
    content
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

/// The text of a file in UTF-16, as spreadsheets write it; it begins with a byte order mark.
fn of_utf16(bytes: &[u8]) -> Option<String> {
    let (mark, content) = bytes.split_at_checked(2)?;
    let unit = match mark {
        [0xff, 0xfe] => u16::from_le_bytes,
        [0xfe, 0xff] => u16::from_be_bytes,
        _ => return None,
    };
    let (pairs, rest) = content.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    rest.is_empty()
        .then(|| String::from_utf16(&units).ok())
        .flatten()
}

fn decode(path: &Path, bytes: Vec<u8>, encoding: TextEncoding) -> Result<String, DatasetError> {
    if encoding == TextEncoding::Latin1 {
        return Ok(bytes.into_iter().map(char::from).collect());
    }
    if let Some(text) = of_utf16(&bytes) {
        return Ok(text);
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
