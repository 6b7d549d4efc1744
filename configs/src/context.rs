//! The data that a config was loaded with, besides its settings.

use std::path::Path;

use gepa_archive::Candidate;
use gepa_evaluation::ExampleId;
use gepa_models::{ApiKey, Environment};
use serde_json::{Map, Value};

use crate::problem::LocatedProblem;
use crate::prompt_check::unfilled;
use crate::raw::RawConfig;
use crate::task::TaskConfig;

/// The variable with the task app's key, unless the config names another.
pub const TASK_APP_KEY: &str = "ENVIRONMENT_API_KEY";

impl TaskConfig {
    /// The given environment, extended by the variables of the config's own `.env` file. The given
    /// environment wins.
    pub fn environment(&self) -> &Environment {
        &self.context.environment
    }

    /// The settings in the format of this engine's own config files.
    pub fn settings(&self) -> &RawConfig {
        &self.raw
    }

    /// Notes for the author of the config that are no problems.
    pub fn notes(&self) -> &[LocatedProblem] {
        &self.context.notes
    }

    /// Why wildcards of a candidate's texts are not filled, one sentence a component.
    pub fn unfilled_wildcards(&self, candidate: &Candidate) -> Vec<String> {
        let Some(dataset) = self.dataset() else {
            return Vec::new();
        };
        let texts = candidate.components().iter();
        let texts = texts.map(|(name, text)| (&**name, &**text));
        let found = unfilled(self.config.prompt(), dataset, texts).into_iter();
        found
            .map(|(component, text)| format!("`{component}` {text}"))
            .collect()
    }

    /// The inputs and the expected answer of an example, where the config has rows.
    pub fn row_of(&self, example: &ExampleId) -> Option<(Map<String, Value>, Option<String>)> {
        let row = self.dataset()?.row(example)?;
        let answer = row.answer().map(str::to_owned);
        Some((row.input_values(), answer))
    }

    /// The folder for result files that the config names.
    pub fn results_folder(&self) -> Option<&Path> {
        self.context.results_folder.as_deref()
    }

    /// Whether the config came over HTTP. Then it names no local file or command.
    pub fn is_submitted(&self) -> bool {
        self.context.is_submitted
    }

    /// The config as written, in its own dialect, with overrides applied and without secrets.
    pub fn config_body(&self) -> &serde_json::Value {
        &self.described["settings"]
    }

    /// The task app's key, if it came with the config.
    pub fn task_app_key(&self) -> Option<&ApiKey> {
        self.task_app_key.as_ref()
    }
}
