//! Connects a task: its models, its evaluator, and what rewrites its components.

use std::sync::Arc;

use gepa_engine::Problem;
use gepa_engine::reflection::ModelProposer;
use gepa_evaluation::{Evaluator, LanguageModel, Proposer, ScoreRange};
use gepa_models::{ModelSettings, Models};
use gepa_rulebook::RulebookModel;
use gepa_tasks::Services;
use gepa_tasks::dataset::DatasetEvaluator;
use gepa_tasks::process::{ProcessEvaluator, ProcessProposer};
use gepa_tasks::scorer::{Scorer, ScorerSettings};

use crate::job_queue::JobQueue;
use crate::problem::ConfigError;
use crate::raw::{DatasetTaskSettings, EvaluatorSettings, ProposerSettings};
use crate::task::{ConnectedTask, RULEBOOK, TaskConfig, problem};

impl TaskConfig {
    /// Connects the models and builds the evaluator; starts its processes, calls no model.
    pub async fn connect(&self, services: &Services) -> Result<ConnectedTask, ConfigError> {
        let connected = self.connect_parts(services).await;
        connected.map_err(|problems| self.document.locate_all(problems))
    }

    /// The same with rollouts that workers execute, which take them from this queue.
    #[cfg_attr(
        not(feature = "queue"),
        expect(
            clippy::unused_async,
            reason = "without a queue there is nothing to wait for"
        )
    )]
    pub async fn connect_over(
        &self,
        queue: &JobQueue,
        services: &Services,
    ) -> Result<ConnectedTask, ConfigError> {
        #[cfg(feature = "queue")]
        {
            let connected = Box::pin(self.connect_over_queue(queue.queue(), services)).await;
            connected.map_err(|problems| self.document.locate_all(problems))
        }
        #[cfg(not(feature = "queue"))]
        {
            let _ = services;
            queue.unreachable()
        }
    }

    /// The same in this process, also where `[workers]` names a queue.
    pub async fn connect_here(&self, services: &Services) -> Result<ConnectedTask, ConfigError> {
        let connected = self.connect_parts_here(services).await;
        connected.map_err(|problems| self.document.locate_all(problems))
    }

    /// Says where limits on the cost of a day are kept that are not shared through a server.
    pub(crate) fn keep_limits(&self, models: &Models) {
        if let Some(folder) = &self.raw.limits.folder {
            models.keep_limits_in(self.directory.join(folder));
        }
    }

    async fn connect_parts(&self, services: &Services) -> Result<ConnectedTask, Vec<Problem>> {
        #[cfg(feature = "queue")]
        if let Some(address) = self.queue_address() {
            return Box::pin(self.connect_to_workers(&address, services)).await;
        }
        self.connect_parts_here(services).await
    }

    async fn connect_parts_here(&self, services: &Services) -> Result<ConnectedTask, Vec<Problem>> {
        self.keep_limits(&services.models);
        #[cfg(feature = "queue")]
        Box::pin(self.share_limits(&services.models)).await?;
        let models = &services.models.for_run();
        let proposer = self.proposer(models).await?;
        let mut app = None;
        let evaluator: Arc<dyn Evaluator> = match &self.evaluator {
            EvaluatorSettings::Process(settings) => {
                let dataset = self.dataset.clone();
                let started = ProcessEvaluator::start(settings, &self.directory, dataset).await;
                Arc::new(started.map_err(|error| problem("evaluator.command", &error))?)
            }
            EvaluatorSettings::TaskApp(settings) => {
                let evaluator = self.task_app_evaluator(settings, models, services).await?;
                app = evaluator.facts().map(|facts| serde_json::json!(facts));
                Arc::new(evaluator)
            }
            EvaluatorSettings::Dataset(settings) => {
                let evaluator = self.dataset_evaluator(models, settings)?;
                let started = evaluator.start().await;
                started.map_err(|error| problem("scorer", &error))?;
                Arc::new(evaluator)
            }
        };
        Ok(ConnectedTask {
            evaluator,
            proposer,
            app,
        })
    }

    pub(crate) async fn proposer(
        &self,
        models: &Models,
    ) -> Result<Arc<dyn Proposer>, Vec<Problem>> {
        if let Some(ProposerSettings::Process(settings)) = &self.raw.proposer {
            let started = ProcessProposer::start(settings, &self.directory).await;
            let started = started.map_err(|error| problem("proposer.command", &error))?;
            return Ok(Arc::new(started));
        }
        let (section, settings) = self.raw.reflection_model();
        let model = self.model(models, section, settings)?;
        Ok(Arc::new(ModelProposer::new(model, &self.config)))
    }

    /// The evaluator of rows; its scorer is not started.
    pub(crate) fn dataset_evaluator(
        &self,
        models: &Models,
        settings: &DatasetTaskSettings,
    ) -> Result<DatasetEvaluator, Vec<Problem>> {
        let policy = self.model(models, "policy", self.raw.policy.as_ref())?;
        let (Some(scorer), Some(dataset)) = (&self.raw.scorer, &self.dataset) else {
            return Err(vec![Problem::new(
                "scorer",
                "is missing; say how answers are scored",
            )]);
        };
        let judge = match (scorer, &self.raw.judge) {
            (ScorerSettings::LlmJudge { .. }, judge) => {
                Some(self.model(models, "judge", judge.as_ref())?)
            }
            _ => None,
        };
        let scorer = Scorer::new(scorer, &self.directory, judge)
            .map_err(|error| problem("scorer", &error))?;
        let prompt = self.config.prompt().clone();
        let evaluator = DatasetEvaluator::new(Arc::clone(dataset), prompt, policy, scorer)
            .map_err(|error| problem("scorer", &error))?;
        Ok(with_settings(evaluator, settings))
    }

    pub(crate) fn model(
        &self,
        models: &Models,
        section: &str,
        settings: Option<&ModelSettings>,
    ) -> Result<Arc<dyn LanguageModel>, Vec<Problem>> {
        let Some(settings) = settings else {
            let message = "is missing; name its `provider` and `model`";
            return Err(vec![Problem::new(section, message)]);
        };
        if settings.provider == RULEBOOK {
            return Ok(Arc::new(RulebookModel));
        }
        let model = models
            .connect(settings, &self.raw.providers, &self.raw.prices)
            .map_err(|error| problem(section, &error))?;
        Ok(model)
    }
}

fn with_settings(
    mut evaluator: DatasetEvaluator,
    settings: &DatasetTaskSettings,
) -> DatasetEvaluator {
    if settings.deterministic {
        evaluator = evaluator.trusting_policy();
    }
    let range = settings.score_range;
    if let Some(range) = range.and_then(|[lowest, highest]| ScoreRange::new(lowest, highest)) {
        evaluator = evaluator.with_score_range(range);
    }
    if settings.keep_reasoning {
        evaluator = evaluator.keeping_reasoning();
    }
    evaluator
}
