//! Makes jobs of configs and connects them to the process's models and interceptor.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use gepa_configs::{
    ConfigError, ConfigSource, JobQueue, StoredSettings, SubmittedConfig, TaskConfig,
};
use gepa_engine::Config;
use gepa_engine::record::RunRow;
use gepa_models::Environment;
use gepa_tasks::Services;
use serde_json::{Map, Value};

use super::source::{JobSource, PreparedJob};

/// Makes jobs of configs. All jobs read keys and addresses from one environment.
#[derive(Debug)]
pub struct ConfiguredJobs {
    environment: Environment,
    services: Arc<Services>,
    /// Where workers take the rollouts from; without it they are executed in this process.
    queue: Option<JobQueue>,
}

impl ConfiguredJobs {
    /// A source whose jobs share `services`.
    pub fn new(environment: Environment, services: Arc<Services>) -> Self {
        Self {
            environment,
            services,
            queue: None,
        }
    }

    /// Lets workers execute the rollouts of all jobs.
    #[must_use]
    pub fn over_queue(self, queue: JobQueue) -> Self {
        Self {
            queue: Some(queue),
            ..self
        }
    }

    fn source<'a>(&'a self, overrides: &'a [String]) -> ConfigSource<'a> {
        ConfigSource {
            file: Path::new(""),
            environment: &self.environment,
            overrides,
            dialects: gepa_jobs::DIALECTS,
        }
    }

    /// A job of this task; `stored` are the settings of the run that it goes on with, if it is one.
    async fn prepare(
        &self,
        task: TaskConfig,
        stored: Option<Box<StoredSettings>>,
    ) -> Result<PreparedJob, ConfigError> {
        task.check_models(&self.services.models)?;
        let connected = match &self.queue {
            Some(queue) => Box::pin(task.connect_over(queue, &self.services)).await?,
            None => Box::pin(task.connect(&self.services)).await?,
        };
        Ok(PreparedJob {
            config_body: task.config_body().clone(),
            notes: task.notes().iter().map(ToString::to_string).collect(),
            other_app: stored.and_then(|stored| stored.other_app(&connected)),
            described: task.described_with(&connected),
            config: task.config,
            evaluator: connected.evaluator,
            proposer: connected.proposer,
        })
    }
}

#[async_trait]
impl JobSource for ConfiguredJobs {
    async fn submitted(
        &self,
        config_body: &Value,
        overrides: &Map<String, Value>,
    ) -> Result<PreparedJob, ConfigError> {
        let submitted = SubmittedConfig {
            body: config_body,
            overrides,
            environment: &self.environment,
            dialects: gepa_jobs::DIALECTS,
        };
        self.prepare(submitted.load()?, None).await
    }

    async fn stored(&self, run: &RunRow) -> Result<PreparedJob, ConfigError> {
        let source = self.source(&[]);
        let task = source.load_stored(&run.config)?;
        let stored = source.stored_settings(&run.config)?;
        self.prepare(task, Some(Box::new(stored))).await
    }

    async fn config(&self, run: &RunRow) -> Result<Config, ConfigError> {
        Ok(self.source(&[]).load_stored(&run.config)?.config)
    }

    async fn branched(
        &self,
        run: &RunRow,
        overrides: &Map<String, Value>,
    ) -> Result<PreparedJob, ConfigError> {
        let overrides = overrides.iter();
        let overrides: Vec<String> = overrides
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let source = self.source(&overrides);
        let task = source.load_stored(&run.config)?;
        let stored = source.stored_settings(&run.config)?;
        self.prepare(task, Some(Box::new(stored))).await
    }
}
