//! A config file resolved: the engine's [`Config`], and everything needed to build its evaluator
//! and models.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gepa_engine::reflection::ModelProposer;
use gepa_engine::{Config, InvalidConfig, Problem, Settings};
use gepa_evaluation::{Evaluator, LanguageModel, Proposer, ScoreRange};
use gepa_models::{ApiKey, ModelSettings, Models};
use gepa_rulebook::RulebookModel;
use gepa_tasks::Services;
use gepa_tasks::dataset::{Dataset, DatasetEvaluator};
use gepa_tasks::process::{ProcessEvaluator, ProcessProposer};
use gepa_tasks::scorer::{Scorer, ScorerSettings};

use crate::context::LoadContext;
use crate::data_digests::digests;
use crate::document::ConfigDocument;
use crate::patterns::RegularExpressions;
use crate::prices;
use crate::problem::ConfigError;
use crate::prompt::{read_prompt, read_text, seed_candidate};
use crate::prompt_check::check_prompt;
use crate::raw::{DatasetTaskSettings, EvaluatorSettings, ProposerSettings, RawConfig};
use crate::task_app;
use crate::task_data::{check_scorer, example_sets, load_dataset, notes_on_rows};
use crate::workers::JobQueue;

/// The provider that needs no network.
pub(crate) const RULEBOOK: &str = "rulebook";

/// A task as a config file describes it, checked.
#[derive(Debug)]
pub struct TaskConfig {
    /// The engine's configuration.
    pub config: Config,
    /// The description stored with the run: the values in force and the folder paths start from.
    pub described: serde_json::Value,
    directory: PathBuf,
    pub(crate) raw: RawConfig,
    pub(crate) evaluator: EvaluatorSettings,
    dataset: Option<Arc<Dataset>>,
    document: ConfigDocument,
    /// A key given in memory, for callers whose key is in no environment.
    pub(crate) task_app_key: Option<ApiKey>,
    pub(crate) context: LoadContext,
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

impl std::fmt::Debug for ConnectedTask {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ConnectedTask")
            .finish_non_exhaustive()
    }
}

impl TaskConfig {
    pub(crate) fn resolve(
        mut raw: RawConfig,
        directory: PathBuf,
        mut described: serde_json::Value,
        document: ConfigDocument,
        mut context: LoadContext,
    ) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        if document.dialect().is_none() {
            prices::pin(&mut raw, &mut described, &directory, &mut problems);
        }
        let evaluator = raw
            .evaluator
            .clone()
            .unwrap_or_else(|| EvaluatorSettings::Dataset(DatasetTaskSettings::default()));
        check_parts(&raw, &evaluator, &mut problems);
        raw.workers.check(&mut problems);
        raw.limits.check(&mut problems);
        task_app::check_parts(&raw, &evaluator, &mut problems);
        let dataset = load_dataset(&raw, &directory, &mut problems);
        let sets = example_sets(&raw, dataset.as_ref(), &mut problems);
        let prompt = read_prompt(&raw, &directory, &mut problems);
        if let Some(dataset) = &dataset {
            let renders = matches!(evaluator, EvaluatorSettings::Dataset(_));
            check_prompt(&prompt, dataset, &sets, renders, &mut problems);
            let notes = notes_on_rows(dataset, &sets).into_iter();
            context
                .notes
                .extend(notes.map(|note| document.locate(note)));
        }
        check_scorer(&raw, &directory, dataset.as_ref(), &mut problems);
        if !context.is_submitted {
            described["data"] = digests(&raw, &directory, dataset.as_ref(), &sets);
        }
        let seed = seed_candidate(&raw, &prompt, &mut problems);
        task_app::check_pipeline(&evaluator, seed.as_ref(), &mut problems);
        let mut settings = Settings::default();
        settings.run.clone_from(&raw.run);
        settings.search.clone_from(&raw.search);
        settings.merge.clone_from(&raw.merge);
        settings.reflection.clone_from(&raw.reflection);
        settings.texts.clone_from(&raw.texts);
        settings.seeds.clone_from(&raw.seeds);
        settings.rollouts.clone_from(&raw.rollouts);
        settings.budget.clone_from(&raw.budget);
        settings.validation.clone_from(&raw.validation);
        settings.final_choice = raw.final_choice;
        if let Some(file) = settings.reflection.template_file.take() {
            let key = "reflection.template_file";
            settings.reflection.template = read_text(&directory, &file, key, &mut problems);
        }
        let Some(seed) = seed else {
            return Err(document.locate_all(problems));
        };
        let patterns = Arc::new(RegularExpressions);
        match Config::with_patterns(seed, prompt, sets, settings, patterns) {
            Ok(config) if problems.is_empty() => Ok(Self {
                config,
                described,
                directory,
                raw,
                evaluator,
                dataset: dataset.map(Arc::new),
                document,
                task_app_key: None,
                context,
            }
            .with_notes_on_money()),
            Ok(_) => Err(document.locate_all(problems)),
            Err(InvalidConfig { problems: more }) => {
                // A dataset that could not be read leaves its sets empty; one message is enough.
                let has_sets = dataset.is_some() || raw.dataset.is_none();
                problems.extend(
                    more.into_iter()
                        .filter(|p| has_sets || !p.key.starts_with("examples."))
                        .map(|p| where_sets_are_named(p, raw.dataset.is_some())),
                );
                Err(document.locate_all(problems))
            }
        }
    }

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

    /// Connects the models and builds the evaluator; starts its processes, calls no model.
    pub async fn connect(&self, services: &Services) -> Result<ConnectedTask, ConfigError> {
        let connected = self.connect_parts(services).await;
        connected.map_err(|problems| self.document.locate_all(problems))
    }

    /// The same with rollouts that workers execute, which take them from this queue.
    pub async fn connect_over(
        &self,
        queue: &JobQueue,
        services: &Services,
    ) -> Result<ConnectedTask, ConfigError> {
        #[cfg(feature = "queue")]
        {
            let connected = self.connect_over_queue(queue.queue(), services).await;
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

    /// Whether connecting the task starts programs or calls an app.
    pub fn starts_programs(&self) -> bool {
        let is_dataset = matches!(self.evaluator, EvaluatorSettings::Dataset(_));
        let has_command = matches!(self.raw.scorer, Some(ScorerSettings::Command { .. }));
        !is_dataset || has_command || self.raw.has_own_proposer()
    }

    /// The models that a limit on money does not hold for, because their price is not known.
    fn unlimited_models(&self) -> Vec<String> {
        if self.raw.budget.max_cost_usd.is_none() {
            return Vec::new();
        }
        let models = self.models_used().into_iter();
        let unpriced = models.filter_map(|(_, settings)| {
            let settings = settings.filter(|settings| settings.provider != RULEBOOK)?;
            let is_priced = Models::is_priced(settings, &self.raw.prices);
            (!is_priced).then(|| format!("`{}/{}`", settings.provider, settings.model))
        });
        let mut names: Vec<String> = unpriced.collect();
        names.dedup();
        names
    }

    fn with_notes_on_money(mut self) -> Self {
        let models = self.unlimited_models();
        if !models.is_empty() {
            let text = format!(
                "does not limit calls of {}, whose price is not known; add it to `[[prices]]`, or limit \
                 `budget.max_tokens` as well. A provider that reports costs is counted",
                models.join(" and ")
            );
            let note = self
                .document
                .locate(Problem::new("budget.max_cost_usd", text));
            self.context.notes.push(note);
        }
        self
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

    async fn connect_parts(&self, services: &Services) -> Result<ConnectedTask, Vec<Problem>> {
        #[cfg(feature = "queue")]
        if let Some(address) = self.queue_address() {
            return Box::pin(self.connect_to_workers(&address, services)).await;
        }
        self.connect_parts_here(services).await
    }

    async fn connect_parts_here(&self, services: &Services) -> Result<ConnectedTask, Vec<Problem>> {
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

pub(crate) fn problem(key: &str, error: &dyn std::error::Error) -> Vec<Problem> {
    vec![Problem::new(key, format!("does not work: {error}"))]
}

/// The engine knows sets by name only; with a dataset they are named in its split.
fn where_sets_are_named(problem: Problem, has_dataset: bool) -> Problem {
    match problem.key.strip_prefix("examples.") {
        Some(set) if has_dataset => Problem::new(format!("dataset.split.{set}"), problem.message),
        _ => problem,
    }
}

/// Tables one evaluator or scorer needs and another does not.
fn check_parts(raw: &RawConfig, evaluator: &EvaluatorSettings, problems: &mut Vec<Problem>) {
    let is_dataset = matches!(evaluator, EvaluatorSettings::Dataset(_));
    let needs_judge = matches!(raw.scorer, Some(ScorerSettings::LlmJudge { .. }));
    let range = evaluator.score_range();
    let needed = [
        (
            range.is_some_and(|[lowest, highest]| ScoreRange::new(lowest, highest).is_none()),
            "evaluator.score_range",
            "must be two numbers, the lowest score and a higher highest one",
        ),
        (
            is_dataset && raw.dataset.is_none(),
            "dataset",
            "is missing; the evaluator `dataset` needs rows: give its `path`",
        ),
        (
            is_dataset && raw.scorer.is_none(),
            "scorer",
            "is missing; the evaluator `dataset` needs one, for example `kind = \"exact\"`",
        ),
        (
            is_dataset && raw.policy.is_none(),
            "policy",
            "is missing; the evaluator `dataset` needs a model: name `provider` and `model`",
        ),
        (
            is_dataset && raw.prompt.is_none(),
            "prompt",
            "is missing; the evaluator `dataset` needs messages",
        ),
        (
            needs_judge && raw.judge.is_none(),
            "judge",
            "is missing; the scorer `llm_judge` needs a model: name `provider` and `model`",
        ),
        (
            raw.policy.is_none()
                && raw.reflection_model.is_none()
                && !is_dataset
                && !raw.has_own_proposer(),
            "reflection_model",
            "is missing; name the `provider` and `model` that rewrite the components, or a `[proposer]`",
        ),
        (
            raw.dataset.is_none() && raw.examples.is_none() && !is_dataset,
            "examples",
            "is missing; give the ids of `train`, `pareto` and `validation`",
        ),
        (
            raw.dataset.is_some() && raw.examples.is_some(),
            "examples",
            "and `dataset` both say which examples there are; keep `dataset.split`",
        ),
    ];
    for (holds, key, message) in needed {
        if holds {
            problems.push(Problem::new(key, message));
        }
    }
}
