//! The seam between jobs and the configurations they are made of.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use gepa_configs::ConfigError;
use gepa_engine::record::RunRow;
use gepa_engine::{Config, Run, RunBuilder, Store};
use gepa_evaluation::{Evaluator, LanguageModel};
use gepa_jobs::JobMark;
use serde_json::{Map, Value};

/// Makes jobs of what was submitted.
///
/// **The caller** keeps a prepared job in memory only: it may hold a key that arrived with the
/// submission.
///
/// **The implementor** checks everything that can be checked without a call, lets a submission
/// reach no local file or command, and puts no secret into `described`, `config_body`, `notes` or
/// an error.
#[async_trait]
pub trait JobSource: Send + Sync {
    /// A job from a config and the dotted overrides laid over it.
    async fn submitted(
        &self,
        config_body: &Value,
        overrides: &Map<String, Value>,
    ) -> Result<PreparedJob, ConfigError>;

    /// The same job again from what was stored with its run.
    async fn stored(&self, run: &RunRow) -> Result<PreparedJob, ConfigError>;
}

/// A job that can be started.
#[derive(Clone)]
pub struct PreparedJob {
    /// What the engine is told.
    pub config: Config,
    /// What is stored of the configuration; [`JobSource::stored`] gets it back.
    pub described: Value,
    /// The config as submitted, overrides applied, without secrets.
    pub config_body: Value,
    /// What the config asks for and does not get, for people.
    pub notes: Vec<String>,
    /// Runs candidates.
    pub evaluator: Arc<dyn Evaluator>,
    /// Rewrites components.
    pub reflection_model: Arc<dyn LanguageModel>,
}

impl PreparedJob {
    fn mark(&self) -> JobMark {
        JobMark::new(self.config_body.clone(), self.notes.clone(), &self.config)
    }

    pub(super) fn builder(&self, store: &Arc<dyn Store>) -> RunBuilder {
        Run::builder(self.config.clone())
            .described_as(self.mark().describe(&self.described))
            .store(Arc::clone(store))
            .evaluator(Arc::clone(&self.evaluator))
            .reflection_model(Arc::clone(&self.reflection_model))
    }
}

impl fmt::Debug for PreparedJob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PreparedJob")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
