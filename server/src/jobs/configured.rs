//! Makes jobs of configs and connects them to the process's models and interceptor.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use gepa_configs::{ConfigError, ConfigSource, SubmittedConfig, TaskConfig};
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
        let source = ConfigSource {
            file: Path::new(""),
            environment: &self.environment,
            overrides: &[],
            dialects: gepa_jobs::DIALECTS,
        };
        self.prepare(source.load_stored(&run.config)?).await
    }
}
