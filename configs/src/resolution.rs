//! Turns a document with overrides, in any dialect, into a [`TaskConfig`].

use std::path::{Path, PathBuf};

use gepa_engine::Problem;
use gepa_models::Environment;
use serde_json::json;
use toml::{Table, Value};

use crate::dialect::{Dialect, DialectContext, Translation};
use crate::document::{ConfigDocument, lay_into};
use crate::key_map::find;
use crate::problem::ConfigError;
use crate::raw::RawConfig;
use crate::read::read_raw;
use crate::restrict::restrict;
use crate::task::{LoadContext, TaskConfig};

/// Tables of our own format that a document may have beside `[prompt_learning]`. They win over it.
const BESIDE_A_JOB: [&str; 14] = [
    "run",
    "evaluator",
    "providers",
    "prices",
    "search",
    "seeds",
    "merge",
    "reflection",
    "reflection_model",
    "texts",
    "rollouts",
    "budget",
    "validation",
    "final",
];

/// The surroundings in which a document is resolved.
#[derive(Debug)]
pub(crate) struct Resolution<'a> {
    environment: &'a Environment,
    directory: PathBuf,
    is_submitted: bool,
}

impl<'a> Resolution<'a> {
    /// For a config file in a folder.
    pub(crate) fn of_file(environment: &'a Environment, directory: PathBuf) -> Self {
        Self {
            environment,
            directory,
            is_submitted: false,
        }
    }

    /// For a config that came over HTTP.
    pub(crate) fn of_submission(environment: &'a Environment) -> Self {
        Self {
            environment,
            directory: PathBuf::new(),
            is_submitted: true,
        }
    }

    pub(crate) fn resolve(self, document: ConfigDocument) -> Result<TaskConfig, ConfigError> {
        match document.dialect() {
            Some(dialect) => self.resolve_job(document, dialect),
            None => self.resolve_own(document),
        }
    }

    fn resolve_own(self, document: ConfigDocument) -> Result<TaskConfig, ConfigError> {
        let raw = read_raw(document.table.clone(), &document)?;
        self.check(&raw, &document)?;
        let described = self.described(&document)?;
        let context = LoadContext {
            environment: self.environment.clone(),
            notes: Vec::new(),
            results_folder: None,
            is_submitted: self.is_submitted,
        };
        TaskConfig::resolve(raw, self.directory, described, document, context)
    }

    fn resolve_job(
        self,
        mut document: ConfigDocument,
        dialect: &dyn Dialect,
    ) -> Result<TaskConfig, ConfigError> {
        let mut notes = Vec::new();
        let environment = self.with_environment_file(&document, dialect, &mut notes)?;
        for key in dialect.take_secrets(&mut document.table) {
            notes.push(Problem::new(
                key,
                "looks like a secret and is left out; keys come from the environment",
            ));
        }
        let taken_key =
            dialect.take_task_app_key(&mut document.table, &environment, self.is_submitted);
        let context = DialectContext {
            environment: &environment,
            directory: &self.directory,
            is_submitted: self.is_submitted,
        };
        let Translation {
            raw,
            keys,
            mut problems,
            notes: translated,
            results_folder,
        } = dialect.translate(&document.table, context, &BESIDE_A_JOB);
        document.keys = keys;
        notes.extend(translated);
        let task_app_key = taken_key.unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        if !problems.is_empty() {
            return Err(document.locate_all(problems));
        }
        let raw = with_own_tables(raw, &document, dialect)?;
        self.check(&raw, &document)?;
        if self.is_submitted && results_folder.is_some() {
            notes.push(Problem::new(
                format!("{}.results_folder", dialect.root_key()),
                "has no effect on a submitted job",
            ));
        }
        let results_folder = results_folder
            .filter(|_| !self.is_submitted)
            .map(|folder| self.directory.join(folder));
        let described = self.described(&document)?;
        let context = LoadContext {
            notes: notes
                .into_iter()
                .map(|note| document.locate(note))
                .collect(),
            results_folder,
            is_submitted: self.is_submitted,
            environment,
        };
        let task = TaskConfig::resolve(raw, self.directory, described, document, context)?;
        Ok(match task_app_key {
            Some(key) => task.with_task_app_key(key),
            None => task,
        })
    }

    /// The environment, extended by the variables of the file that the document names.
    fn with_environment_file(
        &self,
        document: &ConfigDocument,
        dialect: &dyn Dialect,
        notes: &mut Vec<Problem>,
    ) -> Result<Environment, ConfigError> {
        let environment = self.environment.clone();
        let Some((key, file)) = dialect.environment_file(&document.table) else {
            return Ok(environment);
        };
        if self.is_submitted {
            notes.push(Problem::new(key, "has no effect on a submitted job"));
            return Ok(environment);
        }
        let path = self.directory.join(Path::new(&file));
        if !path.is_file() {
            let what = if path.exists() {
                "no file"
            } else {
                "not there"
            };
            notes.push(Problem::new(
                key,
                format!(
                    "names {file}, which is {what}; its variables are taken from the environment"
                ),
            ));
            return Ok(environment);
        }
        environment.overlaid_with(&path).map_err(|error| {
            document.locate_all(vec![Problem::new(key, format!("does not work: {error}"))])
        })
    }

    fn check(&self, raw: &RawConfig, document: &ConfigDocument) -> Result<(), ConfigError> {
        if !self.is_submitted {
            return Ok(());
        }
        let problems = restrict(raw, self.environment);
        if problems.is_empty() {
            Ok(())
        } else {
            Err(document.locate_all(problems))
        }
    }

    /// The part of the config that is stored with a run.
    fn described(&self, document: &ConfigDocument) -> Result<serde_json::Value, ConfigError> {
        let table = &document.table;
        if self.is_submitted {
            return Ok(json!({"submitted": true, "settings": table}));
        }
        // The folder of `gepa run config.toml` is the empty path, which has no absolute form.
        let directory = Path::new(".").join(&self.directory);
        let directory = std::path::absolute(&directory).unwrap_or(directory);
        // A store holds texts, and a run that is resumed must find its folder again.
        let Some(directory) = directory.to_str() else {
            let text = format!(
                "the folder of the config, {}, has a name that is not UTF-8, so a run could not store it; \
                 rename the folder, or move the config to another one",
                directory.display()
            );
            return Err(document.locate_all(vec![Problem::new("", text)]));
        };
        Ok(json!({"directory": directory, "settings": table}))
    }
}

/// The translation of a job, with the tables of our own format merged over it.
fn with_own_tables(
    raw: RawConfig,
    document: &ConfigDocument,
    dialect: &dyn Dialect,
) -> Result<RawConfig, ConfigError> {
    let present = BESIDE_A_JOB
        .iter()
        .filter(|name| document.table.contains_key(**name));
    let present: Vec<&str> = present.copied().collect();
    if present.is_empty() || !dialect.allows_own_tables(&document.table) {
        return Ok(raw);
    }
    let unwritable = |error: toml::ser::Error| {
        let message = format!("cannot be joined with the tables beside it: {error}");
        document.locate_all(vec![Problem::new(dialect.root_key(), message)])
    };
    let mut table = Table::try_from(raw).map_err(unwritable)?;
    for name in present {
        if let Some(value) = find(&document.table, name) {
            lay_into(&mut table, name, Value::clone(value));
        }
    }
    read_raw(table, document)
}
