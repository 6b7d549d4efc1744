//! Makes jobs of configs and connects them to the process's models and interceptor.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use gepa_configs::{ConfigError, ConfigSource, SubmittedConfig, TaskConfig};
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
}

impl ConfiguredJobs {
    /// A source whose jobs share `services`.
    pub fn new(environment: Environment, services: Arc<Services>) -> Self {
        Self {
            environment,
            services,
        }
    }

    fn stored_task(&self, run: &RunRow, overrides: &[String]) -> Result<TaskConfig, ConfigError> {
        let source = ConfigSource {
            file: Path::new(""),
            environment: &self.environment,
            overrides,
            dialects: gepa_jobs::DIALECTS,
        };
        source.load_stored(&run.config)
    }

    async fn prepare(&self, task: TaskConfig) -> Result<PreparedJob, ConfigError> {
        task.check_models(&self.services.models)?;
        let connected = task.connect(&self.services).await?;
        Ok(PreparedJob {
            config_body: task.config_body().clone(),
            notes: task.notes().iter().map(ToString::to_string).collect(),
            config: task.config,
            described: task.described,
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
        self.prepare(submitted.load()?).await
    }

    async fn stored(&self, run: &RunRow) -> Result<PreparedJob, ConfigError> {
        self.prepare(self.stored_task(run, &[])?).await
    }

    async fn config(&self, run: &RunRow) -> Result<Config, ConfigError> {
        Ok(self.stored_task(run, &[])?.config)
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
        self.prepare(self.stored_task(run, &overrides)?).await
    }
}
