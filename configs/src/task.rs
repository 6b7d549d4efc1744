//! A config file resolved: the engine's [`Config`], and everything needed to build its evaluator
//! and models.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gepa_engine::{Config, Problem};
use gepa_evaluation::{Evaluator, Proposer, ScoreRange};
use gepa_models::{ApiKey, Environment, ModelSettings, Models};
use gepa_tasks::dataset::Dataset;
use gepa_tasks::scorer::ScorerSettings;

use crate::document::ConfigDocument;
use crate::problem::{ConfigError, LocatedProblem};
use crate::raw::{EvaluatorSettings, RawConfig};

/// The provider that needs no network.
pub(crate) const RULEBOOK: &str = "rulebook";

/// A task as a config file describes it, checked.
#[derive(Debug)]
pub struct TaskConfig {
    /// The engine's configuration.
    pub config: Config,
    /// The description stored with the run: the values in force and the folder paths start from.
    pub described: serde_json::Value,
    pub(crate) directory: PathBuf,
    pub(crate) raw: RawConfig,
    pub(crate) evaluator: EvaluatorSettings,
    pub(crate) dataset: Option<Arc<Dataset>>,
    pub(crate) document: ConfigDocument,
    /// A key given in memory, for callers whose key is in no environment.
    pub(crate) task_app_key: Option<ApiKey>,
    pub(crate) context: LoadContext,
}

/// The data that a config was loaded with.
#[derive(Debug)]
pub(crate) struct LoadContext {
    pub(crate) environment: Environment,
    pub(crate) notes: Vec<LocatedProblem>,
    pub(crate) results_folder: Option<PathBuf>,
    pub(crate) is_submitted: bool,
}

/// The parts of a task that call models, programs or apps.
pub struct ConnectedTask {
    /// Runs candidates.
    pub evaluator: Arc<dyn Evaluator>,
    /// Rewrites components.
    pub proposer: Arc<dyn Proposer>,
    /// What a task app says about its task, version and data, by name.
    pub(crate) app: Option<serde_json::Value>,
}

impl TaskConfig {
    /// The folder that relative paths start from.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The settings of its evaluator.
    pub(crate) fn evaluator(&self) -> &EvaluatorSettings {
        &self.evaluator
    }

    /// Uses this key for the task app instead of the environment's.
    #[must_use]
    pub fn with_task_app_key(mut self, key: ApiKey) -> Self {
        self.task_app_key = Some(key);
        self
    }

    /// The rows of its data set, if it has one.
    pub fn dataset(&self) -> Option<&Dataset> {
        self.dataset.as_deref()
    }

    /// The lowest and highest score, if the config declares them.
    pub fn score_range(&self) -> Option<ScoreRange> {
        let [lowest, highest] = self.evaluator.score_range()?;
        ScoreRange::new(lowest, highest)
    }

    /// The policy as `provider/model`, where the evaluator uses one.
    pub fn policy(&self) -> Option<(&str, &str)> {
        self.raw
            .policy
            .as_ref()
            .map(|policy| (policy.provider.as_str(), policy.model.as_str()))
    }

    /// What rewrites components: `provider/model`, or the command of a process.
    pub fn writer(&self) -> Option<String> {
        self.raw.writer()
    }

    /// Checks addresses, keys and settings of every model the task uses, without connecting any.
    pub fn check_models(&self, models: &Models) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        for (section, settings) in self.models_used() {
            let Some(settings) = settings.filter(|settings| settings.provider != RULEBOOK) else {
                continue;
            };
            let checked = models.check(settings, &self.raw.providers, &self.raw.prices);
            if let Err(error) = checked {
                problems.extend(problem(section, &error));
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(self.document.locate_all(problems))
    }

    /// The description to store with a new run: that of the config, with what the connected task app
    /// says about itself.
    pub fn described_with(&self, connected: &ConnectedTask) -> serde_json::Value {
        let mut described = self.described.clone();
        if let Some(app) = &connected.app {
            described["data"]["app"] = app.clone();
        }
        described
    }

    /// The key that limits the time of a rollout's attempt, and the seconds that it allows.
    pub fn attempt_limit(&self) -> (&'static str, f64) {
        let of_run = (
            "rollouts.timeout_seconds",
            self.config.settings().rollouts.timeout_seconds,
        );
        match &self.evaluator {
            EvaluatorSettings::Process(process) if process.timeout_seconds < of_run.1 => {
                ("evaluator.timeout_seconds", process.timeout_seconds)
            }
            _ => of_run,
        }
    }

    /// Whether connecting the task starts programs or calls an app.
    pub fn starts_programs(&self) -> bool {
        let is_dataset = matches!(self.evaluator, EvaluatorSettings::Dataset(_));
        let has_command = matches!(self.raw.scorer, Some(ScorerSettings::Command { .. }));
        !is_dataset || has_command || self.raw.has_own_proposer()
    }

    /// The models by the section that names them.
    pub(crate) fn models_used(&self) -> [(&'static str, Option<&ModelSettings>); 3] {
        let needs_judge = matches!(self.raw.scorer, Some(ScorerSettings::LlmJudge { .. }));
        let judge = self.raw.judge.as_ref().filter(|_| needs_judge);
        let reflection = self.raw.reflection_model.as_ref();
        let reflection = reflection.filter(|_| !self.raw.has_own_proposer());
        [
            ("policy", self.raw.policy.as_ref()),
            ("reflection_model", reflection),
            ("judge", judge),
        ]
    }
}

impl std::fmt::Debug for ConnectedTask {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ConnectedTask")
            .finish_non_exhaustive()
    }
}

pub(crate) fn problem(key: &str, error: &dyn std::error::Error) -> Vec<Problem> {
    vec![Problem::new(key, format!("does not work: {error}"))]
}
