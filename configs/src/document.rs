//! A TOML text with overrides applied, which keeps the line number of each key.

use gepa_engine::Problem;
use toml::{Table, Value};
use toml_edit::{Document, Item};

use crate::dialect::{Dialect, Dialects, dialect_of};
use crate::key_map::{KeyMap, begins_with, find};
use crate::problem::{ConfigError, LocatedProblem, Origin};

/// A config text and its values with overrides applied.
pub(crate) struct ConfigDocument {
    file: String,
    text: String,
    spans: Document<String>,
    pub(crate) table: Table,
    /// The foreign keys of values that were written in another dialect.
    pub(crate) keys: KeyMap,
    overridden: Vec<(String, Origin)>,
    dialects: Dialects,
    is_stored: bool,
}

/// Shows no text: it may hold a key that must not be logged.
impl std::fmt::Debug for ConfigDocument {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ConfigDocument")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl ConfigDocument {
    /// Reads a text. Errors name it `file`.
    pub(crate) fn parse(file: &str, text: &str, dialects: Dialects) -> Result<Self, ConfigError> {
        let syntax = |message: &str, span: Option<std::ops::Range<usize>>| {
            ConfigError::one(LocatedProblem {
                file: file.to_owned(),
                line: span.map(|span| line_of(text, span.start)),
                origin: Origin::File,
                problem: Problem::new("", message.trim_end()),
            })
        };
        let spans = Document::parse(text.to_owned())
            .map_err(|error| syntax(error.message(), error.span()))?;
        let table =
            toml::from_str::<Table>(text).map_err(|error| syntax(error.message(), error.span()))?;
        Ok(Self {
            file: file.to_owned(),
            text: text.to_owned(),
            spans,
            table,
            keys: KeyMap::default(),
            overridden: Vec::new(),
            dialects,
            is_stored: false,
        })
    }

    /// A document of values without a text, as stored with a run.
    pub(crate) fn of_table(
        file: &str,
        table: Table,
        dialects: Dialects,
    ) -> Result<Self, ConfigError> {
        let mut document = Self::parse(file, "", dialects)?;
        document.table = table;
        Ok(document)
    }

    /// The same document, as the config that a run was stored with.
    pub(crate) fn stored(self) -> Self {
        Self {
            is_stored: true,
            ..self
        }
    }

    /// Whether a run was stored with it. Such a config was accepted once.
    pub(crate) fn is_stored(&self) -> bool {
        self.is_stored
    }

    /// Sets one value and creates missing tables on the way. In a foreign dialect a table is merged
    /// into the existing one, and the other spellings of each key that was set are removed.
    pub(crate) fn set(
        &mut self,
        key: &str,
        value: Value,
        origin: Origin,
    ) -> Result<(), ConfigError> {
        let parts: Vec<&str> = key.split('.').map(str::trim).collect();
        let refuse = |message: String| {
            Err(ConfigError::one(LocatedProblem {
                file: self.file.clone(),
                line: None,
                origin: origin.clone(),
                problem: Problem::new(key, message),
            }))
        };
        if parts.iter().any(|part| part.is_empty()) {
            return refuse("is not a dotted key; write it as `section.key=value`".to_owned());
        }
        let dialect = self.dialect();
        let (last, tables) = parts.split_last().unwrap_or((&"", &[]));
        let mut table = &mut self.table;
        for part in tables {
            let entry = table
                .entry((*part).to_owned())
                .or_insert_with(|| Value::Table(Table::new()));
            match entry {
                Value::Table(inner) => table = inner,
                _ => return refuse(format!("goes through `{part}`, which is not a table")),
            }
        }
        let key = parts.join(".");
        match dialect {
            None => {
                table.insert((*last).to_owned(), value);
            }
            Some(dialect) => {
                lay_into(table, last, value.clone());
                dialect.settle_override(&mut self.table, &key, &value);
            }
        }
        self.overridden.push((key, origin));
        Ok(())
    }

    /// Lets `fill` add keys to a document in our own format. Other dialects say all they mean.
    pub(crate) fn fill(&mut self, fill: impl Fn(&mut Table)) {
        if self.dialect().is_none() {
            fill(&mut self.table);
        }
    }

    /// The foreign dialect of the document; `None` for our own format.
    pub(crate) fn dialect(&self) -> Option<&'static dyn Dialect> {
        dialect_of(self.dialects, &self.table)
    }

    /// Adds file, line and origin to a problem.
    pub(crate) fn locate(&self, mut problem: Problem) -> LocatedProblem {
        if find(&self.table, &problem.key).is_none() {
            problem.key = self.keys.typed(&problem.key);
        }
        let overridden = self
            .overridden
            .iter()
            .rev()
            .find(|(key, _)| begins_with(&problem.key, key));
        if let Some((_, origin)) = overridden {
            let origin = origin.clone();
            return LocatedProblem {
                file: self.file.clone(),
                line: None,
                origin,
                problem,
            };
        }
        let line = self.line_of_key(&problem.key);
        LocatedProblem {
            file: self.file.clone(),
            line,
            origin: Origin::File,
            problem,
        }
    }

    /// Adds file, line and origin to problems.
    pub(crate) fn locate_all(&self, problems: Vec<Problem>) -> ConfigError {
        ConfigError {
            problems: problems
                .into_iter()
                .map(|problem| self.locate(problem))
                .collect(),
        }
    }

    /// The line of a key, or of the closest table around it.
    fn line_of_key(&self, key: &str) -> Option<usize> {
        let mut item = self.spans.as_item();
        let mut line = None;
        for part in key_parts(key) {
            let next = match part {
                KeyPart::Name(name) => {
                    let table = item.as_table_like()?;
                    let key_span = table.get_key_value(name).and_then(|(key, _)| key.span());
                    line = key_span
                        .map(|span| line_of(&self.text, span.start))
                        .or(line);
                    table.get(name)
                }
                KeyPart::Index(index) => item.get(index),
            };
            let Some(next) = next else { return line };
            item = next;
            let span = item_span(item);
            if matches!(item, Item::Table(_) | Item::ArrayOfTables(_)) {
                line = span.map(|span| line_of(&self.text, span.start)).or(line);
            }
        }
        line
    }
}

/// Sets a value in a table. A table is merged into an existing one.
pub(crate) fn lay_into(table: &mut Table, name: &str, value: Value) {
    match (table.get_mut(name), value) {
        (Some(Value::Table(present)), Value::Table(further)) => {
            for (name, inner) in further {
                lay_into(present, &name, inner);
            }
        }
        (_, value) => {
            table.insert(name.to_owned(), value);
        }
    }
}

enum KeyPart<'a> {
    Name(&'a str),
    Index(usize),
}

fn key_parts(key: &str) -> impl Iterator<Item = KeyPart<'_>> {
    key.split(['.', '[', ']'])
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().map_or(KeyPart::Name(part), KeyPart::Index))
}

fn item_span(item: &Item) -> Option<std::ops::Range<usize>> {
    item.span()
}

fn line_of(text: &str, offset: usize) -> usize {
    let end = offset.min(text.len());
    text.as_bytes()[..end]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}
