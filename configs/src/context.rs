//! What a config was loaded with beside its settings.

use std::path::{Path, PathBuf};

use gepa_models::{ApiKey, Environment};

use crate::problem::LocatedProblem;
use crate::raw::RawConfig;
use crate::task::TaskConfig;

/// The variable that holds the task app's key unless it is given.
pub const TASK_APP_KEY: &str = "ENVIRONMENT_API_KEY";

/// What a config was loaded with.
#[derive(Debug)]
pub(crate) struct LoadContext {
    pub(crate) environment: Environment,
    pub(crate) notes: Vec<LocatedProblem>,
    pub(crate) results_folder: Option<PathBuf>,
    pub(crate) is_submitted: bool,
}

impl TaskConfig {
    /// The environment in force: the one given, with the variables of the file's own `.env` behind it.
    pub fn environment(&self) -> &Environment {
        &self.context.environment
    }

    /// The settings in the terms of this engine's own config files.
    pub fn settings(&self) -> &RawConfig {
        &self.raw
    }

    /// What whoever wrote the config should know though nothing is wrong.
    pub fn notes(&self) -> &[LocatedProblem] {
        &self.context.notes
    }

    /// Where the config wants the files of its results.
    pub fn results_folder(&self) -> Option<&Path> {
        self.context.results_folder.as_deref()
    }

    /// Whether the config came over HTTP, and therefore names nothing local.
    pub fn is_submitted(&self) -> bool {
        self.context.is_submitted
    }

    /// The values in force in the dialect they were typed in, overrides applied, secrets left out.
    pub fn config_body(&self) -> &serde_json::Value {
        &self.described["settings"]
    }

    /// The task app's key, where it was handed over in memory.
    pub fn task_app_key(&self) -> Option<&ApiKey> {
        self.task_app_key.as_ref()
    }
}
