//! Dotted keys, and the key of a foreign dialect from which a key of ours was translated.

use toml::{Table, Value};

/// Pairs of our key and the dialect's key, so that errors name the key that the user wrote.
#[derive(Clone, Debug, Default)]
pub struct KeyMap {
    pairs: Vec<(String, String)>,
}

impl KeyMap {
    /// Notes that the value of `ours` came from the dialect's key `theirs`.
    pub fn link(&mut self, ours: impl Into<String>, theirs: impl Into<String>) {
        self.pairs.push((ours.into(), theirs.into()));
    }

    /// The key as the user wrote it: the longest known prefix of `ours` is replaced.
    pub fn typed(&self, ours: &str) -> String {
        let known = self
            .pairs
            .iter()
            .filter(|(key, _)| begins_with(ours, key))
            .max_by_key(|(key, _)| key.len());
        match known {
            Some((key, theirs)) => format!("{theirs}{}", &ours[key.len()..]),
            None => ours.to_owned(),
        }
    }
}

/// Whether `key` is `beginning` or a key below it.
pub fn begins_with(key: &str, beginning: &str) -> bool {
    key.strip_prefix(beginning)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The value at a dotted key.
pub fn find<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (tables, last) = key.rsplit_once('.').unwrap_or(("", key));
    let mut inner = table;
    for part in tables.split('.').filter(|part| !part.is_empty()) {
        inner = inner.get(part)?.as_table()?;
    }
    inner.get(last)
}
