//! What a config was loaded with beside its settings.

use std::path::{Path, PathBuf};

use gepa_evaluation::Environment;

use super::problem::LocatedProblem;
use super::raw::RawConfig;
use super::task::TaskConfig;

/// What a config was loaded with.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) environment: Environment,
    pub(super) notes: Vec<LocatedProblem>,
    pub(super) results_folder: Option<PathBuf>,
    pub(super) is_submitted: bool,
}

impl TaskConfig {
    /// The environment in force: the one given, with the variables of the file's own `.env` behind it.
    pub fn environment(&self) -> &Environment {
        &self.surroundings.environment
    }

    /// The settings in the terms of this engine's own config files.
    pub fn settings(&self) -> &RawConfig {
        &self.raw
    }

    /// What whoever wrote the config should know though nothing is wrong.
    pub fn notes(&self) -> &[LocatedProblem] {
        &self.surroundings.notes
    }

    /// Where the config wants the files of its results.
    pub fn results_folder(&self) -> Option<&Path> {
        self.surroundings.results_folder.as_deref()
    }

    /// Whether the config came over HTTP, and therefore names nothing local.
    pub fn is_submitted(&self) -> bool {
        self.surroundings.is_submitted
    }

    /// The values in force in the dialect they were typed in, overrides applied, secrets left out.
    pub fn config_body(&self) -> &serde_json::Value {
        &self.described["settings"]
    }

    /// Whether the task app's key was given; otherwise it is looked up in the environment.
    pub fn has_task_app_key(&self) -> bool {
        self.task_app_key.is_some()
    }
}
