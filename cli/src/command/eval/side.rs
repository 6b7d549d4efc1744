//! One side of an evaluation: a prompt with a model, and its scores.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use gepa_configs::{ConfigSource, ConnectedTask, TaskConfig};
use gepa_engine::policy::{Full, Policies};
use gepa_engine::verdict::read_tables;
use gepa_engine::{
    Candidate, Config, ExampleId, ExampleSets, PromptTemplate, Run, RunEnd, RunId, Store,
};
use gepa_models::Environment;
use gepa_tasks::Services;
use serde_json::{Map, Value, json};

use super::evaluations_of;
use crate::arguments::EvalArguments;
use crate::candidates::best;
use crate::error::CommandError;
use crate::surroundings::find_run;

/// What a run's scores rest on. Which examples are in which set is not part of it.
const TASK: [&str; 6] = [
    "dataset",
    "evaluator",
    "scorer",
    "policy",
    "judge",
    "providers",
];

/// A prompt with a model.
pub(super) struct Side {
    pub(super) label: String,
    pub(super) is_baseline: bool,
    pub(super) task: TaskConfig,
    /// In the order in which the examples are run.
    pub(super) scores: Vec<Option<f64>>,
    /// The run that holds them.
    pub(super) run: Option<RunId>,
    /// Rollouts executed.
    pub(super) executed: u64,
    /// The width of the range of scores, if it is known.
    pub(super) width: Option<f64>,
    candidate: Candidate,
    described: Value,
    services: Option<Services>,
    known: Vec<RunId>,
}

/// The baseline first, if there is one, then the other sides.
pub(super) async fn sides(
    arguments: &EvalArguments,
    environment: &Environment,
    store: &Arc<dyn Store>,
) -> Result<Vec<Side>, CommandError> {
    let load = |model: Option<&String>| -> Result<TaskConfig, CommandError> {
        let mut overrides = arguments.overrides.clone();
        if let Some(model) = model {
            let Some((provider, name)) = model.split_once('/') else {
                return Err(CommandError::Usage(format!(
                    "`--model {model}` is not `PROVIDER/MODEL`; write for example `--model openai/gpt-4.1-mini`"
                )));
            };
            overrides.push(format!("policy.provider={}", json!(provider)));
            overrides.push(format!("policy.model={}", json!(name)));
        }
        let source = ConfigSource {
            file: &arguments.config,
            environment,
            overrides: &overrides,
            dialects: gepa_jobs::DIALECTS,
        };
        Ok(source.load()?)
    };
    let first = load(arguments.models.first())?;
    let seed = (**first.config.seed()).clone();
    let prompt = match &arguments.prompt {
        Some(file) => read_prompt(file, &seed)?,
        None => seed.clone(),
    };
    let name = match &arguments.prompt {
        Some(file) => file.display().to_string(),
        None => "seed".to_owned(),
    };
    let mut sides = Vec::new();
    let mut known = Vec::new();
    let baseline = match &arguments.against {
        Some(text) if Path::new(text).is_file() => {
            Some((text.clone(), read_prompt(Path::new(text), &seed)?))
        }
        Some(text) => {
            let run = find_run(&**store, text).await?;
            let candidates = store.candidates(&run.run_id).await?;
            let row = best(&run, &candidates).ok_or_else(|| {
                CommandError::Missing(format!("run {} has no best prompt yet", run.run_id))
            })?;
            if is_same_task(&run.config, &first.described)
                && has_same_frame(&run.template, first.config.prompt())
            {
                known.push(run.run_id.clone());
            }
            Some((format!("best of {}", run.run_id), row.components.clone()))
        }
        None if arguments.prompt.is_some() => Some(("seed".to_owned(), seed)),
        None => None,
    };
    if let Some((label, candidate)) = baseline {
        let mut side = Side::new(label, load(arguments.models.first())?, candidate)?;
        side.is_baseline = true;
        side.known = known;
        sides.push(side);
    }
    if arguments.models.is_empty() {
        sides.push(Side::new(name, first, prompt)?);
        return Ok(sides);
    }
    for model in &arguments.models {
        let label = format!("{name} with {model}");
        sides.push(Side::new(label, load(Some(model))?, prompt.clone())?);
    }
    let has_baseline = sides.iter().any(|side| side.is_baseline);
    if !has_baseline && sides.len() > 1 {
        sides[0].is_baseline = true;
    }
    Ok(sides)
}

impl Side {
    fn new(label: String, task: TaskConfig, candidate: Candidate) -> Result<Self, CommandError> {
        let wanted = task.config.seed().components().keys();
        if !wanted.eq(candidate.components().keys()) {
            let names: Vec<&str> = task
                .config
                .seed()
                .components()
                .keys()
                .map(|name| &**name)
                .collect();
            return Err(CommandError::Usage(format!(
                "the prompt `{label}` has other components than the config, which has {}",
                names.join(", ")
            )));
        }
        let mut described = task.described.clone();
        if let Some(object) = described.as_object_mut() {
            object.insert("budget".to_owned(), json!({"max_iterations": 0}));
        }
        Ok(Self {
            label,
            is_baseline: false,
            task,
            scores: Vec::new(),
            run: None,
            executed: 0,
            width: None,
            candidate,
            described,
            services: None,
            known: Vec::new(),
        })
    }

    /// Checks the models, and looks up what the store knows.
    pub(super) async fn connect(
        &mut self,
        store: &Arc<dyn Store>,
        fresh: bool,
    ) -> Result<(), CommandError> {
        let services = Services::new(self.task.environment().clone());
        self.task.check_models(&services.models)?;
        self.services = Some(services);
        if fresh {
            self.known.clear();
        } else {
            let template = self.task.config.prompt();
            self.known
                .extend(evaluations_of(store, &self.described, template).await?);
        }
        Ok(())
    }

    /// Scores these examples, in a run without proposals.
    pub(super) async fn score(
        &mut self,
        store: &Arc<dyn Store>,
        examples: &[ExampleId],
    ) -> Result<(), CommandError> {
        let Some(services) = &self.services else {
            return Ok(());
        };
        let ConnectedTask {
            evaluator,
            proposer,
            ..
        } = self.task.connect(services).await?;
        self.width = evaluator
            .score_range()
            .map(|range| range.highest() - range.lowest());
        let run = Run::builder(self.config(examples)?)
            .described_as(self.described.clone())
            .policies(Policies::new().evaluation(Full))
            .knowing(self.known.iter().cloned())
            .store(Arc::clone(store))
            .evaluator(evaluator)
            .proposer(proposer)
            .start()
            .await?;
        let id = run.run_id().clone();
        let result = run.finish().await?;
        if let RunEnd::Finished(reason) = &result.end
            && reason.is_failure()
        {
            return Err(CommandError::Missing(format!(
                "`{}` could not be scored: {reason} (`gepa show {id}`)",
                self.label
            )));
        }
        if let RunEnd::Interrupted { reason, .. } = &result.end {
            return Err(CommandError::Unreachable(format!(
                "`{}` could not be scored: {reason}",
                self.label
            )));
        }
        let executed = result.run.summary.counters.total_rollouts;
        let _ = writeln!(
            std::io::stderr(),
            "{id}  {}: {} examples, {executed} rollouts executed",
            self.label,
            examples.len()
        );
        self.executed += executed;
        self.scores = read_tables(&**store, result.run).await?.seed_scores();
        self.scores.resize(examples.len(), None);
        // The next block knows what this one bought.
        self.known.push(id.clone());
        self.run = Some(id);
        Ok(())
    }

    fn config(&self, examples: &[ExampleId]) -> Result<Config, CommandError> {
        let base = &self.task.config;
        let is_scored = |example: &ExampleId| examples.contains(example);
        let train: Vec<ExampleId> = base.sets().train.clone();
        let rest = train.into_iter().filter(|example| !is_scored(example));
        let mut train: Vec<ExampleId> = rest.collect();
        if train.is_empty() {
            // No proposal is made, so the set that is left over is never used.
            let others = [&base.sets().pareto, &base.sets().validation];
            let others = others.into_iter().flatten();
            train.extend(others.filter(|example| !is_scored(example)).cloned());
        }
        let sets = ExampleSets {
            train,
            pareto: examples.to_vec(),
            validation: Vec::new(),
        };
        let mut settings = base.settings().clone();
        settings.run.name = format!("eval of {}", self.label);
        // Every example of a block is run, also where the rows of a search would grow.
        settings.search.evaluation = gepa_engine::config::Evaluation::Full;
        // A prompt is scored as it is.
        settings.texts.clear();
        let limits = settings.budget.clone();
        settings.budget = gepa_engine::config::BudgetSettings::default();
        settings.budget.max_iterations = Some(0);
        settings.budget.max_tokens = limits.max_tokens;
        settings.budget.max_cost_usd = limits.max_cost_usd;
        settings.budget.max_seconds = limits.max_seconds;
        let config = Config::new(
            self.candidate.clone(),
            base.prompt().clone(),
            sets,
            settings,
        );
        config.map_err(|error| CommandError::Usage(error.to_string()))
    }
}

/// A prompt in a file: the text of the only component, or a JSON object of components.
fn read_prompt(file: &Path, seed: &Candidate) -> Result<Candidate, CommandError> {
    let text = fs::read_to_string(file).map_err(|error| {
        CommandError::Usage(format!(
            "cannot read `{}`: {error}; name a file with a prompt, or a run",
            file.display()
        ))
    })?;
    let names: Vec<&str> = seed.components().keys().map(|name| &**name).collect();
    let parsed: Option<Map<String, Value>> = serde_json::from_str(&text).ok();
    let components = match (&parsed, names.as_slice()) {
        (Some(object), _) if object.get("components").is_some_and(Value::is_object) => {
            texts(object.get("components").and_then(Value::as_object), &names)
        }
        (Some(object), _) if names.iter().all(|name| object.contains_key(*name)) => {
            texts(Some(object), &names)
        }
        (_, [name]) => Some(vec![((*name).to_owned(), text.trim_end().to_owned())]),
        _ => None,
    };
    let candidate = components.and_then(|components| Candidate::new(components).ok());
    candidate.ok_or_else(|| {
        CommandError::Usage(format!(
            "`{}` is no prompt with the components {}; write a JSON object with a text for each, as `gepa best RUN \
             --format json` does",
            file.display(),
            names.join(", ")
        ))
    })
}

fn texts(object: Option<&Map<String, Value>>, names: &[&str]) -> Option<Vec<(String, String)>> {
    let object = object?;
    let text = |name: &&str| Some(((*name).to_owned(), object.get(*name)?.as_str()?.to_owned()));
    names.iter().map(text).collect()
}

/// Whether scores of both runs, as they are described in the store, can be compared: the same models, the
/// same evaluator and scorer, and the same data. What is not known is not the same.
pub(super) fn is_same_task(left: &Value, right: &Value) -> bool {
    let (Some(settings), Some(others)) = (left.get("settings"), right.get("settings")) else {
        return false;
    };
    let is_same = TASK.iter().all(|table| {
        let without_sets = |config: &Value| {
            let mut part = config[*table].clone();
            if let Some(object) = part.as_object_mut() {
                object.shift_remove("split");
            }
            part
        };
        without_sets(settings) == without_sets(others)
    });
    let data = |described: &Value, name: &str| described["data"][name].clone();
    let has_rows = !settings["dataset"].is_null();
    let knows_rows = data(left, "dataset").is_string();
    is_same
        && (knows_rows || !has_rows)
        && data(left, "dataset") == data(right, "dataset")
        && data(left, "app") == data(right, "app")
        && programs(left) == programs(right)
}

/// The digests of the files that commands name. Files of texts are left out: texts are compared as they
/// are, and those of components are what evaluations compare.
fn programs(described: &Value) -> Map<String, Value> {
    let mut texts = Vec::new();
    named_texts(&described["settings"], &mut texts);
    let files = described["data"]["files"].as_object();
    let mut files = files.cloned().unwrap_or_default();
    files.retain(|path, _| !texts.contains(&path.as_str()));
    files
}

fn named_texts<'s>(settings: &'s Value, texts: &mut Vec<&'s str>) {
    match settings {
        Value::Array(items) => items.iter().for_each(|item| named_texts(item, texts)),
        Value::Object(fields) => {
            for (key, value) in fields {
                let is_text = ["pattern_file", "template_file"].contains(&key.as_str());
                texts.extend(value.as_str().filter(|_| is_text));
                named_texts(value, texts);
            }
        }
        _ => {}
    }
}

/// Whether both prompts differ in the texts of their components alone.
pub(super) fn has_same_frame(left: &PromptTemplate, right: &PromptTemplate) -> bool {
    left.messages.len() == right.messages.len()
        && left.messages.iter().zip(&right.messages).all(|(one, two)| {
            one.role == two.role
                && one.component == two.component
                && (one.component.is_some() || one.pattern == two.pattern)
        })
}
