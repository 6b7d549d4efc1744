//! One side of an evaluation: a prompt with a model, and its scores.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use gepa_ablation::{
    Named, Scoring, as_evaluation, evaluations_of, has_same_frame, is_same_task, width,
};
use gepa_configs::{ConfigSource, TaskConfig};
use gepa_engine::{Candidate, ExampleId, RunId, Store};
use gepa_models::{Environment, read_text};
use gepa_tasks::Services;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::arguments::EvalArguments;
use crate::candidates::best;
use crate::error::CommandError;
use crate::output::err;
use crate::surroundings::find_run;

/// Largest file with a prompt, in bytes.
const LARGEST_PROMPT: u64 = 16 << 20;

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
        for note in task.unfilled_wildcards(&candidate) {
            let _ = writeln!(err(), "note: `{label}`: {note}");
        }
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
        let described = as_evaluation(&task.described);
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
        cancelled: &watch::Receiver<bool>,
    ) -> Result<(), CommandError> {
        let Some(services) = &self.services else {
            return Ok(());
        };
        let connected = self.task.connect(services).await?;
        self.width = width(&*connected.evaluator);
        let scoring = Scoring {
            store: Arc::clone(store),
            config: self.task.config.clone(),
            described: self.described.clone(),
            evaluator: Arc::clone(&connected.evaluator),
            proposer: Arc::clone(&connected.proposer),
        };
        let named = Named {
            label: &self.label,
            name: format!("eval of {}", self.label),
            candidate: &self.candidate,
            labels: None,
        };
        let scored = scoring.score(named, examples, &self.known, |_| {}, cancelled.clone());
        let scored = scored.await?;
        let _ = writeln!(
            err(),
            "{}  {}: {} examples, {} rollouts executed",
            scored.run,
            self.label,
            examples.len(),
            scored.executed
        );
        self.executed += scored.executed;
        self.scores = scored.scores;
        // The next block knows what this one bought.
        self.known.push(scored.run.clone());
        self.run = Some(scored.run);
        Ok(())
    }
}

/// A prompt in a file: the text of the only component, or a JSON object of components.
fn read_prompt(file: &Path, seed: &Candidate) -> Result<Candidate, CommandError> {
    let text = read_text(file, LARGEST_PROMPT).map_err(|error| {
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
