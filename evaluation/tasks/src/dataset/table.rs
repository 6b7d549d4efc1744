//! The rows of a dataset, addressed by example id.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use indexmap::map::Entry;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::read::read_records;
use super::record::Record;
use super::value::FieldValue;
use super::{DatasetError, DatasetSettings};
use gepa_evaluation::ExampleId;

/// The column of the expected answers where the settings name none.
const USUAL_ANSWER: &str = "answer";

/// The rows of one or several files, in file order.
#[derive(Clone, Debug)]
pub struct Dataset {
    rows: IndexMap<ExampleId, Row>,
}

/// One row: its inputs and the answer expected.
#[derive(Clone, Debug)]
pub struct Row {
    fields: IndexMap<String, FieldValue>,
    roles: Arc<ColumnRoles>,
    source: Arc<Source>,
    line: u64,
}

/// The file of a row.
#[derive(Debug)]
struct Source {
    /// Its name, as the settings have it.
    file: Arc<str>,
    is_one_of_many: bool,
}

/// The roles of a file's columns, shared by all of its rows.
#[derive(Debug)]
struct ColumnRoles {
    id: Option<Arc<str>>,
    answer: Option<Arc<str>>,
    /// The column by which the sets are formed.
    split: Option<Arc<str>>,
    /// The columns that may fill wildcards; without it every input.
    prompt: Option<Vec<String>>,
}

impl ColumnRoles {
    fn is_input(&self, column: &str) -> bool {
        ![self.id.as_deref(), self.answer.as_deref()].contains(&Some(column))
    }
}

impl Dataset {
    /// Reads the files; a relative path starts at `base`, the config file's folder.
    pub fn load(settings: &DatasetSettings, base: &Path) -> Result<Self, DatasetError> {
        let names = settings.files();
        let Some(first) = names.first() else {
            return Err(DatasetError::BadSettings(
                "no file is named; set `path`, `paths`, or `files` of a set".to_owned(),
            ));
        };
        let mut files = Vec::new();
        let mut left = settings.max_rows;
        for name in &names {
            let path = base.join(name);
            let records = read_records(&path, settings, left)?;
            left -= records.len();
            files.push((Arc::<str>::from(*name), path, records));
        }
        let roles = Arc::new(roles(settings, &files));
        let mut rows: IndexMap<ExampleId, Row> = IndexMap::new();
        let mut index = 0;
        'files: for (name, path, records) in files {
            let columns = Columns::resolve(&path, &records, settings, &roles)?;
            let source = Arc::new(Source {
                file: name,
                is_one_of_many: names.len() > 1,
            });
            for record in records {
                let id = columns.id_of(&path, index, &record)?;
                index += 1;
                let line = record.line;
                let row = columns.row_of(&path, record, &settings.answer_values, &source)?;
                if !passes(&row, &settings.only) {
                    continue;
                }
                if settings.limit.is_some_and(|limit| rows.len() >= limit) {
                    break 'files;
                }
                match rows.entry(id) {
                    Entry::Vacant(slot) => {
                        slot.insert(row);
                    }
                    Entry::Occupied(taken) => {
                        return Err(DatasetError::DuplicateId {
                            path,
                            line,
                            first: taken.get().place(),
                            id: taken.key().to_string(),
                        });
                    }
                }
            }
        }
        if rows.is_empty() {
            let filtered = !settings.only.is_empty() || settings.limit == Some(0);
            return Err(DatasetError::Empty {
                path: base.join(first),
                after_filter: if filtered {
                    " that pass `only` and `limit`"
                } else {
                    ""
                },
            });
        }
        Ok(Self { rows })
    }

    /// The rows in file order.
    pub fn rows(&self) -> &IndexMap<ExampleId, Row> {
        &self.rows
    }

    /// The row with this id.
    pub fn row(&self, id: &ExampleId) -> Option<&Row> {
        self.rows.get(id)
    }
}

impl Row {
    /// A field as text, the way a wildcard shows it: strings as they are, other values as JSON.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(|field| field.text.as_str())
    }

    /// A field that a wildcard of the prompt may show: an input that the sets are not formed by, or a
    /// column that the settings allow by name. The answer and the id are labels and not inputs.
    pub fn prompt_text(&self, field: &str) -> Option<&str> {
        self.may_be_shown(field).then(|| self.text(field)).flatten()
    }

    /// Whether wildcards may show a column of this name, should the row have one.
    pub fn may_be_shown(&self, column: &str) -> bool {
        match &self.roles.prompt {
            Some(allowed) => allowed.iter().any(|name| name == column),
            None => self.roles.is_input(column) && self.roles.split.as_deref() != Some(column),
        }
    }

    /// The names of every field, in file order.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// The line of the file it begins on, from 1; in a file without lines the number of the row.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The file it is from, as the settings name it.
    pub fn file(&self) -> &str {
        &self.source.file
    }

    /// Where it stands: its line, and its file where there are several.
    pub fn place(&self) -> String {
        let line = self.line;
        if self.source.is_one_of_many {
            format!("line {line} of `{}`", self.source.file)
        } else {
            format!("line {line}")
        }
    }

    /// A field as it stands in the file.
    pub fn value(&self, field: &str) -> Option<Value> {
        self.fields.get(field).map(FieldValue::value)
    }

    /// The answer expected, after `answer_values`.
    pub fn answer(&self) -> Option<&str> {
        self.text(self.roles.answer.as_deref()?)
    }

    /// Names and texts of every field but the answer and the id, in file order.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .filter(|(name, _)| self.roles.is_input(name))
            .map(|(name, field)| (name.as_str(), field.text.as_str()))
    }

    /// The inputs as they stand in the file, to be written as JSON with their numbers as they are.
    pub fn written_inputs(&self) -> WrittenInputs<'_> {
        WrittenInputs(self)
    }

    /// The inputs as they stand in the file.
    pub fn input_values(&self) -> serde_json::Map<String, Value> {
        self.inputs()
            .filter_map(|(name, _)| Some((name.to_owned(), self.value(name)?)))
            .collect()
    }
}

/// The inputs of a row, to be written as JSON with their numbers as they are in the file.
#[derive(Clone, Copy, Debug)]
pub struct WrittenInputs<'r>(&'r Row);

impl Serialize for WrittenInputs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Row { fields, roles, .. } = self.0;
        serializer.collect_map(fields.iter().filter(|(name, _)| roles.is_input(name)))
    }
}

/// The roles of the columns. `answer` is the expected answer wherever a row of any file has it: a
/// label must not become an input because the first row lacks it.
fn roles(settings: &DatasetSettings, files: &[(Arc<str>, PathBuf, Vec<Record>)]) -> ColumnRoles {
    let mut records = files.iter().flat_map(|(_, _, records)| records);
    let has_usual = records.any(|record| record.values.contains_key(USUAL_ANSWER));
    let usual = has_usual.then_some(USUAL_ANSWER);
    ColumnRoles {
        id: settings.id_column.as_deref().map(Arc::from),
        answer: settings.answer.as_deref().or(usual).map(Arc::from),
        split: settings.split.stratify_by.as_deref().map(Arc::from),
        prompt: settings.prompt_columns.clone(),
    }
}

/// The columns with a meaning, checked to exist.
struct Columns {
    roles: Arc<ColumnRoles>,
    answer_is_required: bool,
}

impl Columns {
    fn resolve(
        path: &Path,
        records: &[Record],
        settings: &DatasetSettings,
        roles: &Arc<ColumnRoles>,
    ) -> Result<Self, DatasetError> {
        // In JSON single rows may lack a column.
        let check = |column: &str, setting: &'static str| {
            let has_it = |record: &Record| record.values.contains_key(column);
            match records.first() {
                Some(first) if !records.iter().any(has_it) => Err(DatasetError::UnknownColumn {
                    path: path.to_owned(),
                    column: column.to_owned(),
                    setting,
                    known: known_columns(&first.values),
                }),
                _ => Ok(()),
            }
        };
        if let Some(id) = &settings.id_column {
            check(id, "id_column")?;
        }
        if let Some(answer) = &settings.answer {
            check(answer, "answer")?;
        }
        if let Some(column) = &settings.split.stratify_by {
            check(column, "split.stratify_by")?;
        }
        for column in settings.only.keys() {
            check(column, "only")?;
        }
        for column in settings.prompt_columns.iter().flatten() {
            check(column, "prompt_columns")?;
        }
        Ok(Self {
            roles: Arc::clone(roles),
            answer_is_required: settings.answer.is_some() || !settings.answer_values.is_empty(),
        })
    }

    fn id_of(&self, path: &Path, index: usize, record: &Record) -> Result<ExampleId, DatasetError> {
        let Some(column) = &self.roles.id else {
            return Ok(ExampleId::Seed(index as u64));
        };
        let value = record.values.get(&**column);
        let text = value.map(|value| value.text.clone()).unwrap_or_default();
        if text.is_empty() {
            return Err(bad_line(
                path,
                record.line,
                format!("the id in column `{column}` is missing; give every row one"),
            ));
        }
        Ok(canonical_number(&text).map_or_else(|| text.as_str().into(), ExampleId::Seed))
    }

    fn row_of(
        &self,
        path: &Path,
        record: Record,
        answer_values: &IndexMap<String, String>,
        source: &Arc<Source>,
    ) -> Result<Row, DatasetError> {
        let line = record.line;
        let mut fields = record.values;
        if let Some(column) = &self.roles.answer {
            match fields.get_mut(&**column) {
                Some(field) => map_answer(path, line, field, answer_values)?,
                None if self.answer_is_required => {
                    let reason = format!("the answer in column `{column}` is missing");
                    return Err(bad_line(path, line, reason));
                }
                None => {}
            }
        }
        Ok(Row {
            fields,
            roles: Arc::clone(&self.roles),
            source: Arc::clone(source),
            line,
        })
    }
}

fn map_answer(
    path: &Path,
    line: u64,
    field: &mut FieldValue,
    answer_values: &IndexMap<String, String>,
) -> Result<(), DatasetError> {
    if answer_values.is_empty() {
        return Ok(());
    }
    let Some(mapped) = answer_values.get(field.text.trim()) else {
        let reason = format!(
            "the answer `{}` has no entry in `answer_values`, add one",
            field.text
        );
        return Err(bad_line(path, line, reason));
    };
    *field = FieldValue::of_text(mapped.clone());
    Ok(())
}

fn bad_line(path: &Path, line: u64, reason: String) -> DatasetError {
    DatasetError::BadLine {
        path: path.to_owned(),
        line,
        reason,
    }
}

fn passes(row: &Row, only: &IndexMap<String, Vec<String>>) -> bool {
    only.iter().all(|(column, allowed)| {
        row.text(column)
            .is_some_and(|text| allowed.iter().any(|value| value == text))
    })
}

fn known_columns(values: &IndexMap<String, FieldValue>) -> String {
    let names: Vec<String> = values.keys().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// `7` is the number 7, while `007` stays a text: an id must print as it was written.
fn canonical_number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
