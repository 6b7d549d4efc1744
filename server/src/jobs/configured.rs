//! Jobs of configs, connected to the process's models and interceptor.

use std::sync::Arc;

use async_trait::async_trait;
use gepa_engine::config::{ConfigError, TaskConfig};
use gepa_engine::record::RunRow;
use gepa_evaluation::{Environment, Services};
use serde_json::{Map, Value};

use super::mark::JobMark;
use super::source::{JobSource, PreparedJob};
use super::submission::{Submission, load_stored, load_submission};

/// Makes jobs of configs, with keys and addresses of one environment.
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

    async fn prepare(
        &self,
        task: TaskConfig,
        config_body: Value,
        notes: Vec<String>,
    ) -> Result<PreparedJob, ConfigError> {
        task.check_models(&self.services.models)?;
        let connected = task.connect(&self.services).await?;
        Ok(PreparedJob {
            config: task.config,
            described: task.described,
            config_body,
            notes,
            evaluator: connected.evaluator,
            reflection_model: connected.reflection_model,
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
        let Submission {
            task,
            config_body,
            notes,
        } = load_submission(config_body, overrides, &self.environment)?;
        self.prepare(task, config_body, notes).await
    }

    async fn stored(&self, run: &RunRow) -> Result<PreparedJob, ConfigError> {
        let mark = JobMark::of(run);
        let (config_body, notes) =
            mark.map_or_else(Default::default, |mark| (mark.config_body, mark.notes));
        let task = load_stored(&run.config, &self.environment)?;
        self.prepare(task, config_body, notes).await
    }
}
