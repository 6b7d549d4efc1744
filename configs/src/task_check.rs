//! From settings to a task: everything is checked, and all problems are reported at once.

use std::path::PathBuf;
use std::sync::Arc;

use gepa_engine::{Config, InvalidConfig, Problem, Settings};
use gepa_evaluation::ScoreRange;
use gepa_models::Models;
use gepa_tasks::scorer::ScorerSettings;

use crate::data_digests::{digests, unread_programs};
use crate::document::ConfigDocument;
use crate::label_check::notes_on_labels;
use crate::patterns::RegularExpressions;
use crate::prices;
use crate::problem::ConfigError;
use crate::prompt::{check_characters, read_prompt, read_text, seed_candidate};
use crate::prompt_check::{check_components, check_prompt};
use crate::providers_check::check_providers;
use crate::raw::{DatasetTaskSettings, EvaluatorSettings, RawConfig};
use crate::task::{LoadContext, RULEBOOK, TaskConfig};
use crate::task_app;
use crate::task_data::{check_scorer, example_sets, load_dataset, notes_on_rows, notes_on_seeds};

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
        // Without sets there is nothing to say about them that the failed split has not said.
        let has_sets = problems.iter().all(|one| one.key != "dataset.split");
        let prompt = read_prompt(&raw, &directory, &mut problems);
        let renders = matches!(evaluator, EvaluatorSettings::Dataset(_));
        let mut notes = Vec::new();
        let mut found = Vec::new();
        if let Some(dataset) = &dataset {
            check_prompt(&prompt, dataset, &sets, renders, &mut found);
            notes.extend(notes_on_rows(dataset, &sets));
            notes.extend(notes_on_seeds(&raw, &prompt, dataset));
            if let Some(settings) = raw.dataset.as_ref().filter(|_| renders) {
                notes.extend(notes_on_labels(&prompt, dataset, settings, &sets));
            }
        }
        if renders && !prompt.messages.is_empty() {
            check_components(&raw.components, &prompt, &mut found);
        }
        check_characters(&raw, &prompt, &mut found);
        check_providers(&raw, &mut found, &mut notes);
        // A run that began before these were checked goes on.
        if document.is_stored() {
            notes.append(&mut found);
        }
        problems.append(&mut found);
        notes.extend(unread_programs(&raw, &directory));
        let notes = notes.into_iter().map(|note| document.locate(note));
        context.notes.extend(notes);
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
                let has_sets = has_sets && (dataset.is_some() || raw.dataset.is_none());
                problems.extend(
                    more.into_iter()
                        .filter(|p| has_sets || !p.key.starts_with("examples."))
                        .map(|p| where_sets_are_named(p, raw.dataset.is_some())),
                );
                Err(document.locate_all(problems))
            }
        }
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
