//! The trait that turns a submitted or stored config into a job.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use gepa_configs::ConfigError;
use gepa_engine::record::RunRow;
use gepa_engine::{Config, Run, RunBuilder, Store};
use gepa_evaluation::{Evaluator, Proposer};
use gepa_jobs::JobMark;
use serde_json::{Map, Value};

/// Turns configs into jobs.
///
/// **The caller** keeps a prepared job in memory only: it may hold a key that arrived with the
/// submission.
///
/// **The implementor** checks everything that can be checked without a call. It lets a submission
/// name no local file and no command. It puts no secret into `described`, `config_body`, `notes` or
/// an error.
#[async_trait]
pub trait JobSource: Send + Sync {
    /// Makes a job of a config. `overrides` maps dotted keys to values that replace those of the
    /// config.
    async fn submitted(
        &self,
        config_body: &Value,
        overrides: &Map<String, Value>,
    ) -> Result<PreparedJob, ConfigError>;

    /// Makes the job of a stored run again from its stored config.
    async fn stored(&self, run: &RunRow) -> Result<PreparedJob, ConfigError>;

    /// Makes a job with the stored config of a run and other values for some keys, as in
    /// [`submitted`](Self::submitted). The caller lets only settings of the search differ, since the
    /// rest may name files and commands.
    async fn branched(
        &self,
        run: &RunRow,
        overrides: &Map<String, Value>,
    ) -> Result<PreparedJob, ConfigError>;

    /// The config that a stored run was started with.
    async fn config(&self, run: &RunRow) -> Result<Config, ConfigError> {
        Ok(self.stored(run).await?.config)
    }
}

/// A job that can be started.
#[derive(Clone)]
pub struct PreparedJob {
    /// The engine's config.
    pub config: Config,
    /// The part of the config that is stored with the run; [`JobSource::stored`] reads it.
    pub described: Value,
    /// The config as submitted, with overrides applied and without secrets.
    pub config_body: Value,
    /// Keys of the config that have no effect, each as a sentence for the user.
    pub notes: Vec<String>,
    /// Why the stored run cannot go on with what answers now: a task app of another version.
    pub other_app: Option<String>,
    /// Runs candidates.
    pub evaluator: Arc<dyn Evaluator>,
    /// Rewrites components.
    pub proposer: Arc<dyn Proposer>,
}

impl PreparedJob {
    fn mark(&self) -> JobMark {
        JobMark::new(self.config_body.clone(), self.notes.clone(), &self.config)
    }

    pub(super) fn builder(&self, store: &Arc<dyn Store>) -> RunBuilder {
        self.marked(store, &self.mark())
    }

    /// The builder of a new job.
    pub(super) fn submission(
        &self,
        store: &Arc<dyn Store>,
        tenant: &str,
        priority: i64,
    ) -> RunBuilder {
        let mark = JobMark {
            tenant: tenant.to_owned(),
            priority,
            ..self.mark()
        };
        self.marked(store, &mark)
    }

    fn marked(&self, store: &Arc<dyn Store>, mark: &JobMark) -> RunBuilder {
        Run::builder(self.config.clone())
            .described_as(mark.describe(&self.described))
            .store(Arc::clone(store))
            .evaluator(Arc::clone(&self.evaluator))
            .proposer(Arc::clone(&self.proposer))
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
