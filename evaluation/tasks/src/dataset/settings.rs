//! What a config says about a dataset.

use indexmap::{IndexMap, IndexSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One or several files of labelled rows, and how to read them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DatasetSettings {
    /// The file, relative to the config file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Further files. Their rows come after those of `path`, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// The file's format; by default its extension says: `.json`, `.jsonl`/`.ndjson`, `.csv`, `.tsv`,
    /// `.parquet`, `.arrow`/`.feather`, each also with `.gz` or `.zst` behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<DatasetFormat>,
    /// The character between two columns: by default `,` in CSV and a tab in TSV, where quotes
    /// have no meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// The column names of a CSV or TSV file without a header line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// The text encoding; a UTF-8 byte order mark is skipped.
    #[serde(default)]
    pub encoding: TextEncoding,
    /// The column with the example ids; by default the row number, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_column: Option<String>,
    /// The column with the expected answer; by default `answer`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The columns that may fill wildcards of the prompt; by default every column but the id, the
    /// answer and that of `split.stratify_by`. Only what is named here shows an answer to the model that has to find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_columns: Option<Vec<String>>,
    /// Replaces answers, e.g. `{ "1" = "disease", "0" = "no_disease" }`; every answer of the file
    /// needs an entry once there is one.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub answer_values: IndexMap<String, String>,
    /// Keeps only rows whose column has one of the values; all columns named must match. Answers
    /// are compared after `answer_values`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub only: IndexMap<String, Vec<String>>,
    /// Keeps only this number of rows, the first that pass `only`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The most rows to hold.
    #[serde(default = "default_max_rows")]
    pub max_rows: usize,
    /// The largest file to read, in megabytes.
    #[serde(default = "default_max_megabytes")]
    pub max_megabytes: u64,
    /// How the rows become the train, pareto and validation sets.
    #[serde(default)]
    pub split: SplitSettings,
}

impl DatasetSettings {
    /// Settings for a file with everything else at its default.
    pub fn for_path(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            paths: Vec::new(),
            format: None,
            delimiter: None,
            columns: None,
            encoding: TextEncoding::default(),
            id_column: None,
            answer: None,
            prompt_columns: None,
            answer_values: IndexMap::new(),
            only: IndexMap::new(),
            limit: None,
            max_rows: default_max_rows(),
            max_megabytes: default_max_megabytes(),
            split: SplitSettings::default(),
        }
    }

    /// All files in the order of their rows: `path`, `paths`, then those that sets name.
    pub fn files(&self) -> Vec<&str> {
        let split = &self.split;
        let sets = [&split.train, &split.pareto, &split.validation];
        let of_sets = sets.into_iter().filter_map(|set| set.files.as_ref());
        let own = std::iter::once(&self.path).filter(|path| !path.is_empty());
        let all = own.chain(&self.paths).chain(of_sets.flatten());
        let unique: IndexSet<&str> = all.map(String::as_str).collect();
        unique.into_iter().collect()
    }
}

/// The formats a dataset can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DatasetFormat {
    /// One JSON object per line, or one array of objects.
    Jsonl,
    /// Equal to `jsonl`.
    Json,
    /// Columns between commas, quoted where needed.
    Csv,
    /// Columns between tabs, never quoted.
    Tsv,
    /// Apache Parquet. Read by builds with the feature `parquet`.
    Parquet,
    /// Apache Arrow, as a file or as a stream. Read by builds with the feature `parquet`.
    Arrow,
}

/// The encodings a dataset can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TextEncoding {
    /// UTF-8; anything else is an error.
    #[default]
    Utf8,
    /// ISO 8859-1: every byte is one character.
    Latin1,
}

/// How the rows become the three example sets. Sets given by `ids` or `rows` take theirs first;
/// those given by `count` or `fraction` share the other rows in shuffled order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SplitSettings {
    /// Shuffles the rows; the same seed gives the same sets everywhere.
    pub seed: u64,
    /// Gives every set the same share of each answer, and every beginning of a set nearly so.
    pub stratify: bool,
    /// The same for the values of this column instead of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stratify_by: Option<String>,
    /// Minibatches for reflection are drawn from here.
    pub train: SetSettings,
    /// The instances over which the frontier is kept.
    pub pareto: SetSettings,
    /// Held out: only the baseline and the final best are scored on it.
    pub validation: SetSettings,
}

/// One set: `{ count = 100 }`, `{ fraction = 0.3 }`, `{ ids = [..] }`, `{ rows = ["0..100"] }` or
/// `{ files = ["test.jsonl"] }`; empty when nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SetSettings {
    /// This number of shuffled rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// This share of all rows, from 0 to 1, rounded down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// These rows by id, in this order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<serde_json::Value>>")]
    pub ids: Option<Vec<gepa_evaluation::ExampleId>>,
    /// These rows by position, from 0, as `"from..to"` without `to`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<String>>,
    /// All rows of these files, in file order. They need not be named in `path` or `paths`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<String>>,
}

fn default_max_rows() -> usize {
    1_000_000
}

fn default_max_megabytes() -> u64 {
    512
}
