//! The errors of a dataset. Each message names the place and the remedy.

use std::path::PathBuf;

/// Why a dataset cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The file cannot be read.
    #[error("cannot read dataset `{path}`: {source}; `path` is relative to the config file")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than `max_megabytes`.
    #[error("dataset `{path}` has more than {limit} megabytes; split it or raise `max_megabytes`")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in megabytes.
        limit: u64,
    },
    /// The file has more rows than `max_rows`.
    #[error("dataset `{path}` has more than {limit} rows; set `limit` or raise `max_rows`")]
    TooManyRows {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// The file is not in the encoding it is read in.
    #[error(
        "dataset `{path}` line {line} is not UTF-8; convert the file, or set `encoding = \"latin1\"` if that is what it is"
    )]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
    },
    /// The extension does not say which format this is.
    #[error(
        "cannot tell the format of dataset `{path}` by its extension; set `format` to `json`, `jsonl`, `csv`, `tsv`, `parquet` or `arrow`"
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// This build reads no Parquet and no Arrow.
    #[error(
        "dataset `{path}` is a Parquet or Arrow file, and this build of gepa does not read them: build it \
         with `cargo build --release -p gepa-cli --features parquet`, use the command of the Python \
         package, or convert the file to JSON lines (in Python: `pandas.read_parquet(FILE)\
         .to_json(\"rows.jsonl\", orient=\"records\", lines=True)`)"
    )]
    NotBuilt {
        /// The file.
        path: PathBuf,
    },
    /// A column of a Parquet or Arrow file has a type without text.
    #[error(
        "dataset `{path}`: column `{column}` has the type {kind}, which no prompt can show; write the \
         file without this column, or with its text"
    )]
    UnsupportedColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The type that is not supported, in the words of Arrow.
        kind: String,
    },
    /// A Parquet or Arrow file cannot be read.
    #[error(
        "dataset `{path}` cannot be read: {reason}; check that it is complete and that its format is right"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A line cannot be parsed.
    #[error("dataset `{path}` line {line}: {reason}")]
    BadLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A setting names a column the file does not have.
    #[error("dataset `{path}` has no column `{column}`, named by `{setting}`; it has {known}")]
    UnknownColumn {
        /// The file.
        path: PathBuf,
        /// The column that is missing.
        column: String,
        /// The setting that asks for it.
        setting: &'static str,
        /// The columns there are.
        known: String,
    },
    /// An id occurs twice.
    #[error(
        "dataset `{path}` line {line}: id `{id}` is taken by {first}; make the ids unique or leave `id_column` out"
    )]
    DuplicateId {
        /// The file.
        path: PathBuf,
        /// The second line with the id.
        line: u64,
        /// The first line with the id, and its file where there are several.
        first: String,
        /// The id.
        id: String,
    },
    /// No rows are left.
    #[error("dataset `{path}` has no rows{after_filter}")]
    Empty {
        /// The file.
        path: PathBuf,
        /// Names the filter where one is set, else nothing.
        after_filter: &'static str,
    },
    /// The settings contradict themselves.
    #[error("dataset settings: {0}")]
    BadSettings(String),
    /// The sets cannot be formed.
    #[error("dataset split: {0}")]
    BadSplit(String),
}
