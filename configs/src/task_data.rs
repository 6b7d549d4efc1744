//! The examples of a task: the rows of its data set, and which of them make up the three sets.

use std::path::Path;
use std::sync::Arc;

use gepa_evaluation::{ExampleId, PromptTemplate};
use gepa_rulebook::RulebookModel;
use gepa_tasks::dataset::{Dataset, check_answers, near_duplicates, row_conflicts};
use gepa_tasks::scorer::Scorer;

use crate::prompt_check::unfilled;
use crate::raw::{EvaluatorSettings, ExampleItem, RawConfig};
use crate::task::problem;
use gepa_engine::{ExampleSets, Problem};

/// The rows, where the config has any.
pub(crate) fn load_dataset(
    raw: &RawConfig,
    directory: &Path,
    problems: &mut Vec<Problem>,
) -> Option<Dataset> {
    let settings = raw.dataset.as_ref()?;
    match Dataset::load(settings, directory) {
        Ok(dataset) => Some(dataset),
        Err(error) => {
            problems.push(Problem::new(
                "dataset.path",
                format!("does not work: {error}"),
            ));
            None
        }
    }
}

/// The three sets, from the split of the rows or by id.
pub(crate) fn example_sets(
    raw: &RawConfig,
    dataset: Option<&Dataset>,
    problems: &mut Vec<Problem>,
) -> ExampleSets {
    if let (Some(dataset), Some(settings)) = (dataset, &raw.dataset) {
        return match dataset.split(&settings.split) {
            Ok(split) => ExampleSets {
                train: split.train,
                pareto: split.pareto,
                validation: split.validation,
            },
            Err(error) => {
                problems.push(Problem::new(
                    "dataset.split",
                    format!("does not work: {error}"),
                ));
                ExampleSets::default()
            }
        };
    }
    let Some(examples) = &raw.examples else {
        return ExampleSets::default();
    };
    let mut ids = |name: &str, items: &[ExampleItem]| {
        let mut all: Vec<ExampleId> = Vec::new();
        for item in items {
            match item.ids() {
                Ok(some) => all.extend(some),
                Err(message) => problems.push(Problem::new(format!("examples.{name}"), message)),
            }
        }
        all
    };
    ExampleSets {
        train: ids("train", &examples.train),
        pareto: ids("pareto", &examples.pareto),
        validation: ids("validation", &examples.validation),
    }
}

/// Builds the scorer to see whether it can be built, and whether the rows expect what it can compare
/// with. Starts no program and calls no model.
pub(crate) fn check_scorer(
    raw: &RawConfig,
    directory: &Path,
    dataset: Option<&Dataset>,
    problems: &mut Vec<Problem>,
) {
    let Some(settings) = &raw.scorer else {
        return;
    };
    // Any model serves to check the settings, because it is not called.
    let scorer = match Scorer::new(settings, directory, Some(Arc::new(RulebookModel))) {
        Ok(scorer) => scorer,
        Err(error) => {
            problems.extend(problem("scorer", &error));
            return;
        }
    };
    let is_used = matches!(raw.evaluator, None | Some(EvaluatorSettings::Dataset(_)));
    if let Some(dataset) = dataset.filter(|_| is_used)
        && let Err(error) = check_answers(dataset, &scorer)
    {
        problems.extend(problem("scorer", &error));
    }
}

/// Warnings about the rows of the sets: the same inputs in two sets, or with two answers.
pub(crate) fn notes_on_rows(dataset: &Dataset, sets: &ExampleSets) -> Vec<Problem> {
    let names = ["train", "pareto", "validation"];
    let ids = [&sets.train[..], &sets.pareto, &sets.validation];
    let mut notes = Vec::new();
    let conflicts = row_conflicts(dataset, &ids);
    let near = near_duplicates(dataset, &ids);
    let kinds = [
        (&conflicts.duplicates, "whose inputs are"),
        (&near.found, "with almost the inputs of a row"),
    ];
    for (twice, how) in kinds {
        for (second, name) in names.iter().enumerate() {
            for (first, other) in names.iter().enumerate().take(second) {
                let pairs: Vec<_> = twice
                    .iter()
                    .filter(|one| one.first_set == first && one.second_set == second)
                    .map(|one| (&one.second, &one.first))
                    .collect();
                if !pairs.is_empty() {
                    let text = format!(
                        "has {} {how} in `{other}` as well: {}",
                        rows(pairs.len()),
                        shown(&pairs)
                    );
                    notes.push(Problem::new(format!("dataset.split.{name}"), text));
                }
            }
        }
    }
    if near.too_large {
        let text = "has more than 2 million words in its inputs, so rows that are almost the same were not looked for";
        notes.push(Problem::new("dataset", text));
    }
    let contradicting = &conflicts.contradictions;
    if !contradicting.is_empty() {
        let pairs: Vec<_> = contradicting
            .iter()
            .map(|(one, other)| (other, one))
            .collect();
        let text = format!(
            "has {} with the inputs of another and a different answer: {}",
            rows(pairs.len()),
            shown(&pairs)
        );
        notes.push(Problem::new("dataset", text));
    }
    notes
}

/// Notes on further seeds whose texts have wildcards that are not filled.
pub(crate) fn notes_on_seeds(
    raw: &RawConfig,
    prompt: &PromptTemplate,
    dataset: &Dataset,
) -> Vec<Problem> {
    let mut notes = Vec::new();
    for (position, seed) in raw.seeds.iter().enumerate() {
        let texts = seed
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()));
        for (component, text) in unfilled(prompt, dataset, texts) {
            notes.push(Problem::new(format!("seeds[{position}].{component}"), text));
        }
    }
    notes
}

fn rows(count: usize) -> String {
    format!("{count} row{}", if count == 1 { "" } else { "s" })
}

fn shown(pairs: &[(&ExampleId, &ExampleId)]) -> String {
    const MOST_SHOWN: usize = 5;
    let named: Vec<String> = pairs
        .iter()
        .take(MOST_SHOWN)
        .map(|(one, other)| format!("`{one}` as `{other}`"))
        .collect();
    let more = pairs.len().saturating_sub(MOST_SHOWN);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    named.join(", ") + &more
}
