//! Reads keys of the dialect under all their spellings, and collects problems and notes about them.

use std::collections::BTreeSet;

use gepa_configs::KeyMap;
use gepa_configs::find;
use gepa_engine::Problem;
use gepa_models::Environment;
use toml::{Table, Value};

use super::expand::{expand, names_variable};
use super::form::Form;
use super::spellings::Spellings;

/// A document that is being translated.
pub(super) struct Reader<'a> {
    pub(super) table: &'a Table,
    pub(super) dialect: Form,
    environment: &'a Environment,
    /// The document came over HTTP, so it may not read the environment.
    pub(super) is_submitted: bool,
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<Problem>,
    pub(super) keys: KeyMap,
    /// Keys read, with everything below them.
    pub(super) used: BTreeSet<String>,
}

/// A value and its key.
pub(super) struct Found<'a> {
    pub(super) key: String,
    pub(super) value: &'a Value,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        table: &'a Table,
        dialect: Form,
        environment: &'a Environment,
        is_submitted: bool,
    ) -> Self {
        Self {
            table,
            dialect,
            environment,
            is_submitted,
            problems: Vec::new(),
            notes: Vec::new(),
            keys: KeyMap::default(),
            used: BTreeSet::new(),
        }
    }

    /// Adds a problem with a key of the document. The message is meant to follow the key's name.
    pub(super) fn refuse(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(key, message));
    }

    /// Whether a problem of a key has been added.
    pub(super) fn has_refused(&self, key: &str) -> bool {
        self.problems.iter().any(|problem| problem.key == key)
    }

    /// Adds a note about a key of the document that is no problem.
    pub(super) fn note(&mut self, key: &str, message: impl Into<String>) {
        self.notes.push(Problem::new(key, message));
    }

    /// A spelling as a dotted key of the document.
    pub(super) fn full(&self, spelling: &str) -> String {
        self.dialect.full(spelling)
    }

    /// The value at a key of the document.
    pub(super) fn value(&mut self, key: &str) -> Option<&'a Value> {
        self.used.insert(key.to_owned());
        find(self.table, key)
    }

    /// The values of all spellings that are present, the winner first. All of them count as read.
    pub(super) fn all(&mut self, spellings: Spellings) -> Vec<Found<'a>> {
        let mut present = Vec::new();
        for spelling in spellings {
            let key = self.dialect.full(spelling);
            if let Some(value) = find(self.table, &key) {
                present.push(Found {
                    key: key.clone(),
                    value,
                });
            }
            self.used.insert(key);
        }
        present
    }

    /// The value of the winning spelling.
    pub(super) fn find(&mut self, spellings: Spellings) -> Option<Found<'a>> {
        self.all(spellings).into_iter().next()
    }

    /// The key of the winning spelling, or of the preferred one if none is present.
    pub(super) fn key(&mut self, spellings: Spellings) -> String {
        match self.find(spellings) {
            Some(found) => found.key,
            None => self.dialect.full(spellings[0]),
        }
    }

    /// Notes that our key `ours` comes from these spellings, so that problems with it name them.
    pub(super) fn link(&mut self, ours: &str, spellings: Spellings) {
        let theirs = self.key(spellings);
        self.keys.link(ours, theirs);
    }

    /// A whole number of at least `least`. Every spelling that is present is checked.
    pub(super) fn count(&mut self, spellings: Spellings, least: u64) -> Option<u64> {
        let mut winner = None;
        for found in self.all(spellings) {
            match whole(found.value).filter(|count| *count >= least) {
                Some(count) => winner = winner.or(Some(count)),
                None => self.refuse(
                    &found.key,
                    format!("must be a whole number of {least} or more"),
                ),
            }
        }
        winner
    }

    /// Like [`count`](Self::count) with `least` 1, in 32 bits.
    pub(super) fn count32(&mut self, spellings: Spellings) -> Option<u32> {
        self.count(spellings, 1)
            .map(|count| u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// A finite number for which `holds` is true. `expected` is meant to follow "must be".
    pub(super) fn number(
        &mut self,
        spellings: Spellings,
        expected: &str,
        holds: impl Fn(f64) -> bool,
    ) -> Option<f64> {
        let mut winner = None;
        for found in self.all(spellings) {
            let number = match found.value {
                Value::Float(number) => Some(*number),
                Value::Integer(number) => Some(*number as f64),
                _ => None,
            };
            match number.filter(|number| number.is_finite() && holds(*number)) {
                Some(number) => winner = winner.or(Some(number)),
                None => self.refuse(&found.key, format!("must be {expected}")),
            }
        }
        winner
    }

    /// A fraction from 0 to 1.
    pub(super) fn fraction(&mut self, spellings: Spellings) -> Option<f64> {
        self.number(spellings, "a number from 0 to 1", |number| {
            (0.0..=1.0).contains(&number)
        })
    }

    /// A boolean.
    pub(super) fn flag(&mut self, spellings: Spellings) -> Option<bool> {
        let found = self.find(spellings)?;
        let flag = found.value.as_bool();
        if flag.is_none() {
            self.refuse(&found.key, "must be true or false");
        }
        flag
    }

    /// A text that is not blank, with its variables replaced.
    pub(super) fn text(&mut self, spellings: Spellings) -> Option<String> {
        let found = self.find(spellings)?;
        let text = self.prose_of(&found)?;
        self.expanded(&found.key, &text)
    }

    /// A text that is not blank. Variables in it are not replaced, since a prompt may contain
    /// `${...}`.
    pub(super) fn prose(&mut self, spellings: Spellings) -> Option<String> {
        let found = self.find(spellings)?;
        self.prose_of(&found)
    }

    /// One of a few words.
    pub(super) fn word(&mut self, spellings: Spellings, known: &[&str]) -> Option<String> {
        let text = self.text(spellings)?;
        if known.contains(&text.as_str()) {
            return Some(text);
        }
        let key = self.key(spellings);
        self.refuse(
            &key,
            format!("is `{text}`; known are: {}", known.join(", ")),
        );
        None
    }

    /// A table.
    pub(super) fn table(&mut self, spellings: Spellings) -> Option<&'a Table> {
        let found = self.find(spellings)?;
        let table = found.value.as_table();
        if table.is_none() {
            self.refuse(&found.key, "must be a table");
        }
        table
    }

    /// Replaces variables in a text of this key.
    pub(super) fn expanded(&mut self, key: &str, text: &str) -> Option<String> {
        if self.is_submitted && names_variable(text) {
            self.refuse(
                key,
                "names a variable of the server's environment, which a submitted job may not read; send the value",
            );
            return None;
        }
        expand(text, self.environment)
            .map_err(|message| self.refuse(key, message))
            .ok()
    }

    /// A value of any type as JSON, with variables replaced in every string.
    pub(super) fn json(&mut self, key: &str, value: &Value) -> Option<serde_json::Value> {
        Some(match value {
            Value::String(text) => self.expanded(key, text)?.into(),
            Value::Array(items) => {
                let items = items.iter().map(|item| self.json(key, item));
                serde_json::Value::Array(items.collect::<Option<_>>()?)
            }
            Value::Table(table) => {
                let mut map = serde_json::Map::new();
                for (name, inner) in table {
                    map.insert(name.clone(), self.json(&format!("{key}.{name}"), inner)?);
                }
                map.into()
            }
            plain => serde_json::to_value(plain).unwrap_or_default(),
        })
    }

    fn prose_of(&mut self, found: &Found<'a>) -> Option<String> {
        match found.value.as_str() {
            Some(text) if !text.trim().is_empty() => Some(text.to_owned()),
            _ => {
                self.refuse(&found.key, "must be a text that is not empty");
                None
            }
        }
    }
}

/// A number without a fraction, also if written as `44.0`, as some JSON writers do.
pub(super) fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        Value::Float(number) if number.fract() == 0.0 && (0.0..9e15).contains(number) => {
            Some(*number as u64)
        }
        _ => None,
    }
}
