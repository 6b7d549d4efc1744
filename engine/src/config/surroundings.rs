//! What a config was loaded with beside its settings.

use std::path::{Path, PathBuf};

use gepa_evaluation::{ApiKey, Environment};

use super::problem::LocatedProblem;
use super::raw::RawConfig;
use super::task::TaskConfig;

/// The variable that holds the task app's key unless it is given.
pub(super) const TASK_APP_KEY: &str = "ENVIRONMENT_API_KEY";

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

    /// As [`config_body`](Self::config_body), with the task app's key in it: what a client submits to
    /// a backend it trusts with that key. For our own dialect it is the same.
    pub fn submission_body(&self) -> serde_json::Value {
        let mut body = self.config_body().clone();
        if body.get("algorithm").is_some() {
            body = serde_json::json!({"prompt_learning": body});
        }
        let given = self.task_app_key.as_ref().map(ApiKey::reveal);
        let key = given.or_else(|| self.environment().get(TASK_APP_KEY));
        let job = body
            .get_mut("prompt_learning")
            .and_then(|job| job.as_object_mut());
        if let (Some(job), Some(key)) = (job, key) {
            job.insert("task_app_api_key".to_owned(), key.into());
        }
        body
    }

    /// Whether the task app's key was given; otherwise it is looked up in the environment.
    pub fn has_task_app_key(&self) -> bool {
        self.task_app_key.is_some()
    }
}
