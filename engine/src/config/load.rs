//! From a config file, the environment and `--set` to a [`TaskConfig`].

use std::path::{Path, PathBuf};

use gepa_evaluation::Environment;
use serde_json::json;
use toml::{Table, Value};

use super::document::ConfigDocument;
use super::problem::{ConfigError, LocatedProblem, Origin, Problem};
use super::raw::RawConfig;
use super::schema::{keys_at, nearest};
use super::task::TaskConfig;

/// Prefix of environment variables that override keys: `GEPA__BUDGET__MAX_ROLLOUTS=100`.
const ENVIRONMENT_PREFIX: &str = "GEPA__";

/// Where a configuration comes from, in the order in which later parts win over earlier ones:
/// the file, the environment, the overrides.
#[derive(Debug)]
pub struct ConfigSource<'a> {
    /// The config file.
    pub file: &'a Path,
    /// Variables `GEPA__SECTION__KEY` override `section.key`.
    pub environment: &'a Environment,
    /// `section.key=value`, as given to `--set`.
    pub overrides: &'a [String],
}

impl ConfigSource<'_> {
    /// Reads and checks everything that can be checked without calling a model.
    pub fn load(&self) -> Result<TaskConfig, ConfigError> {
        let name = self.file.display().to_string();
        let text = std::fs::read_to_string(self.file).map_err(|error| {
            let message = format!("cannot be read ({error}); give the path of a config file");
            whole_file(&name, message)
        })?;
        let document = ConfigDocument::parse(&name, &text)?;
        let directory = self.file.parent().unwrap_or(Path::new("")).to_owned();
        self.resolve(document, directory)
    }

    /// As [`load`](Self::load), from what an earlier run stored of its configuration.
    pub fn load_stored(&self, stored: &serde_json::Value) -> Result<TaskConfig, ConfigError> {
        let name = "stored config";
        let settings = stored.get("settings").cloned().unwrap_or_default();
        let table: Table = serde_json::from_value(settings).map_err(|error| {
            whole_file(
                name,
                format!("cannot be used again ({error}); give the config file"),
            )
        })?;
        let directory = stored
            .get("directory")
            .and_then(|path| path.as_str())
            .unwrap_or_default();
        let document = ConfigDocument::of_table(name, table)?;
        self.resolve(document, PathBuf::from(directory))
    }

    fn resolve(
        &self,
        mut document: ConfigDocument,
        directory: PathBuf,
    ) -> Result<TaskConfig, ConfigError> {
        self.lay_over(&mut document)?;
        let raw = read_raw(&document)?;
        let stored_directory =
            std::path::absolute(&directory).unwrap_or_else(|_| directory.clone());
        let described = json!({
            "directory": stored_directory,
            "settings": document.table,
        });
        TaskConfig::resolve(raw, directory, described, document)
    }

    fn lay_over(&self, document: &mut ConfigDocument) -> Result<(), ConfigError> {
        for (name, value) in self.environment.with_prefix(ENVIRONMENT_PREFIX) {
            let key = name[ENVIRONMENT_PREFIX.len()..]
                .to_lowercase()
                .replace("__", ".");
            document.set(
                &key,
                parse_value(value),
                Origin::Environment(name.to_owned()),
            )?;
        }
        for item in self.overrides {
            let Some((key, value)) = item.split_once('=') else {
                return Err(ConfigError::one(LocatedProblem {
                    file: String::new(),
                    line: None,
                    origin: Origin::Set,
                    problem: Problem::new(item.as_str(), "has no value; write `section.key=value`"),
                }));
            };
            document.set(key.trim(), parse_value(value), Origin::Set)?;
        }
        Ok(())
    }
}

/// A TOML value if it reads as one, a string otherwise: `--set policy.model=gpt-4.1` needs no quotes.
fn parse_value(text: &str) -> Value {
    let as_toml = toml::from_str::<Table>(&format!("value = {text}"));
    let value = as_toml.ok().and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn read_raw(document: &ConfigDocument) -> Result<RawConfig, ConfigError> {
    let mut unknown: Vec<String> = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let value = Value::Table(document.table.clone());
    let tracked = serde_path_to_error::Deserializer::new(value, &mut track);
    let mut collect = |path: serde_ignored::Path<'_>| unknown.push(plain_path(&path.to_string()));
    let raw = serde_ignored::deserialize::<_, _, RawConfig>(tracked, &mut collect);
    let mut problems: Vec<Problem> = unknown.iter().map(|key| unknown_key(key)).collect();
    match raw {
        Ok(raw) if problems.is_empty() => return Ok(raw),
        Ok(_) => {}
        Err(error) => problems.push(wrong_value(&plain_path(&track.path().to_string()), &error)),
    }
    Err(document.locate_all(problems))
}

/// Libraries write optional and newtype steps as `?`; people do not type them.
fn plain_path(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('.')
        .filter(|part| !matches!(*part, "" | "?"))
        .collect();
    parts.join(".").replace(".[", "[")
}

fn unknown_key(path: &str) -> Problem {
    let (table, key) = path.rsplit_once('.').unwrap_or(("", path));
    let keys = keys_at(table);
    let message = match nearest(key, &keys) {
        Some(known) => format!("is not a known key; did you mean `{known}`?"),
        None => format!("is not a known key; known here: {}", keys.join(", ")),
    };
    Problem::new(path, message)
}

fn wrong_value(path: &str, error: &toml::de::Error) -> Problem {
    let message = error.message().trim_end();
    // Tagged tables refuse unknown keys themselves, in these words.
    let unknown = message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split_once('`'));
    if let Some((key, _)) = unknown {
        let full = if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        };
        return unknown_key(&full);
    }
    Problem::new(path, format!("has a wrong value: {message}"))
}

fn whole_file(file: &str, message: String) -> ConfigError {
    ConfigError::one(LocatedProblem {
        file: file.to_owned(),
        line: None,
        origin: Origin::File,
        problem: Problem::new("", message),
    })
}
