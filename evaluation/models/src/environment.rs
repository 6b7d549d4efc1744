//! Where keys and addresses come from: the process environment, then a `.env` file behind it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::text_file::read_text;

/// Largest `.env` file, in bytes.
const LARGEST_FILE: u64 = 1 << 20;

/// Named values, fixed when it was made; the process environment itself is never changed.
#[derive(Clone, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
}

/// A `.env` file that cannot be used. Its values are secrets, so no message quotes a line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// The file exists but cannot be read: fix its permissions or encoding (UTF-8).
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not `KEY=VALUE`, a comment or empty, or a quote is not closed: correct that line.
    #[error("{}, line {line}: {expected}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What should be there.
        expected: &'static str,
    },
}

impl Environment {
    /// The process environment alone.
    pub fn of_process() -> Self {
        Self::of(std::env::vars_os().filter_map(|(name, value)| {
            // A name or value that is not UTF-8 can be neither a key nor an address.
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    /// Exactly these values.
    pub fn of<N: Into<String>, V: Into<String>>(values: impl IntoIterator<Item = (N, V)>) -> Self {
        Self {
            values: values
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        }
    }

    /// Adds the values of a `.env` file for names that are not set yet; a missing file adds none, and
    /// neither does anything else of that name that is no file, such as a folder with a virtual environment of
    /// Python, or a named pipe.
    ///
    /// Understands `KEY=VALUE`, `export KEY=VALUE`, comments, single quotes (literal) and double
    /// quotes (with `\n`, `\r`, `\t`, `\"`, `\\`, `\$`), both of which may span lines.
    pub fn overlaid_with(mut self, file: &Path) -> Result<Self, EnvironmentError> {
        let unreadable = |source| EnvironmentError::Read {
            path: file.to_owned(),
            source,
        };
        match std::fs::metadata(file) {
            Ok(found) if !found.is_file() => return Ok(self),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(self),
            _ => {}
        }
        let text = read_text(file, LARGEST_FILE).map_err(unreadable)?;
        let pairs = parse(&text).map_err(|(line, expected)| EnvironmentError::Syntax {
            path: file.to_owned(),
            line,
            expected,
        })?;
        // Within one file the last assignment counts, as it would in a shell.
        let overlay: BTreeMap<String, String> = pairs.into_iter().collect();
        for (name, value) in overlay {
            self.values.entry(name).or_insert(value);
        }
        Ok(self)
    }

    /// The value of `name`; a value that is empty or only white space counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.values.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// The variables whose names begin with `prefix`, by name.
    pub fn with_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        self.values
            .range(prefix.to_owned()..)
            .take_while(move |(name, _)| name.starts_with(prefix))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.values.keys()).finish()
    }
}

type Fault = (usize, &'static str);

fn parse(text: &str) -> Result<Vec<(String, String)>, Fault> {
    let mut pairs = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1;
    while !rest.is_empty() {
        let (first, after) = split_line(rest);
        let statement = first.trim_start();
        if statement.trim_end().is_empty() || statement.starts_with('#') {
            rest = after;
            line += 1;
            continue;
        }
        let (name, value_start) = assignment(statement).ok_or((line, "expected KEY=VALUE"))?;
        let value_offset = first.len() - value_start.len();
        let from_value = &rest[value_offset..];
        let quote = value_start
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\''));
        let Some(quote) = quote else {
            pairs.push((name.to_owned(), unquoted(value_start).to_owned()));
            rest = after;
            line += 1;
            continue;
        };
        let (value, tail) =
            quoted(&from_value[1..], quote).ok_or((line, "expected a closing quote"))?;
        line += from_value[..from_value.len() - tail.len()]
            .matches('\n')
            .count();
        let (remainder, next) = split_line(tail);
        let remainder = remainder.trim();
        if !remainder.is_empty() && !remainder.starts_with('#') {
            return Err((
                line,
                "expected nothing but a comment after the closing quote",
            ));
        }
        pairs.push((name.to_owned(), value));
        rest = next;
        line += 1;
    }
    Ok(pairs)
}

fn split_line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

fn assignment(statement: &str) -> Option<(&str, &str)> {
    let (left, value) = statement.split_once('=')?;
    let name = match left.trim().strip_prefix("export") {
        Some(exported) if exported.starts_with(char::is_whitespace) => exported.trim(),
        _ => left.trim(),
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on_well = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    (starts_well && goes_on_well).then(|| (name, value.trim_start_matches([' ', '\t'])))
}

fn unquoted(value: &str) -> &str {
    if value.starts_with('#') {
        return "";
    }
    let comment = value
        .char_indices()
        .zip(value.chars().skip(1))
        .find(|((_, current), next)| current.is_whitespace() && *next == '#')
        .map(|((index, _), _)| index);
    value[..comment.unwrap_or(value.len())].trim()
}

/// The quoted value and what follows its closing quote.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        if character == quote {
            return Some((value, &text[index + 1..]));
        }
        if character != '\\' || quote == '\'' {
            value.push(character);
            continue;
        }
        match characters.next()?.1 {
            'n' => value.push('\n'),
            'r' => value.push('\r'),
            't' => value.push('\t'),
            literal @ ('"' | '\\' | '$') => value.push(literal),
            other => value.extend(['\\', other]),
        }
    }
    None
}

#[cfg(test)]
mod tests;
