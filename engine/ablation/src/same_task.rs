//! Which runs are of the same task, so that their scores can be compared.

use std::sync::Arc;

use gepa_engine::config::ScoredPrompt;
use gepa_engine::record::RunRow;
use gepa_engine::{PromptTemplate, RunId, RunQuery, Store, StoreError};
use serde_json::{Map, Value, json};

/// What a run's scores rest on. Which examples are in which set is not part of it.
const TASK: [&str; 6] = [
    "dataset",
    "evaluator",
    "scorer",
    "policy",
    "judge",
    "providers",
];

/// The most settings by which a store leaves out runs of other tasks. It searches the text of a config for each.
const MOST_CONDITIONS: usize = 32;

/// The runs in the store that only evaluated, whose outcomes a run of the same task knows.
///
/// # Errors
///
/// The store failed.
pub async fn evaluations_of(
    store: &Arc<dyn Store>,
    described: &Value,
    template: &PromptTemplate,
) -> Result<Vec<RunId>, StoreError> {
    let mut query = RunQuery {
        config: single_settings(described, |table| TASK.contains(&table)),
        ..RunQuery::default()
    };
    let marked = ("/budget/max_iterations".to_owned(), json!(0));
    query.config.insert(0, marked);
    let runs = store.find_runs(&query, usize::MAX).await?;
    let known = runs
        .into_iter()
        .rev()
        .filter(|run| is_evaluation(run) && is_of_same_task(run, described, template));
    Ok(known.map(|run| run.run_id).collect())
}

/// Some settings of a described task in these tables, as conditions on the configs of runs: those that are one
/// text, number or truth value, the longest texts first. A run with the same settings meets them all.
pub fn single_settings(
    described: &Value,
    is_wanted: impl Fn(&str) -> bool,
) -> Vec<(String, Value)> {
    let is_plain = |name: &str| !name.contains(['/', '~']);
    let mut found = Vec::new();
    let tables = described["settings"].as_object().into_iter().flatten();
    for (table, keys) in tables.filter(|(table, _)| is_wanted(table) && is_plain(table)) {
        let keys = keys.as_object().into_iter().flatten();
        let single = keys.filter(|(key, value)| {
            is_plain(key) && (value.is_string() || value.is_number() || value.is_boolean())
        });
        found
            .extend(single.map(|(key, value)| (format!("/settings/{table}/{key}"), value.clone())));
    }
    found.sort_by_key(|(_, value)| std::cmp::Reverse(value.to_string().len()));
    found.truncate(MOST_CONDITIONS);
    found
}

/// Whether the run only scored its seed, as `gepa eval` does.
pub fn is_evaluation(run: &RunRow) -> bool {
    run.config["budget"]["max_iterations"] == 0
}

/// What goes on with a run that stopped before its end, for people.
pub fn way_on(run: &RunRow) -> String {
    if is_evaluation(run) {
        "repeat the `gepa eval` or `gepa ablate` that began it; no known outcome is bought again"
            .to_owned()
    } else {
        format!("resume with `gepa run --resume {}`", run.run_id)
    }
}

/// Whether what the run stored suffices to decide it again. Versions before 0.2 stored evaluations without what
/// they scored.
pub fn can_be_decided_again(run: &RunRow) -> bool {
    !is_evaluation(run) || ScoredPrompt::in_description(&run.config).is_some()
}

/// Why a run that only scored its seed cannot go on as a search (`act` says how: "resumed"), and what to do
/// instead; `None` for a search.
pub fn refusal_of_evaluation(run: &RunRow, act: &str) -> Option<String> {
    is_evaluation(run).then(|| {
        format!(
            "run {} is an evaluation, as `gepa eval` and `gepa ablate` store them: it scores one prompt and proposes \
             nothing, so it cannot be {act}. Give the command that began it again to go on with it, which buys no \
             known outcome again; `gepa run CONFIG` begins a search",
            run.run_id
        )
    })
}

/// Whether a run is of the task that a config describes: the same evaluator, models and frame of the
/// prompt. Its sets may be others.
pub fn is_of_same_task(run: &RunRow, described: &Value, template: &PromptTemplate) -> bool {
    is_same_task(&run.config, described) && has_same_frame(&run.template, template)
}

/// Whether scores of both runs, as they are described in the store, can be compared: the same models, the
/// same evaluator and scorer, and the same data. What is not known is not the same.
pub fn is_same_task(left: &Value, right: &Value) -> bool {
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
pub fn has_same_frame(left: &PromptTemplate, right: &PromptTemplate) -> bool {
    left.messages.len() == right.messages.len()
        && left.messages.iter().zip(&right.messages).all(|(one, two)| {
            one.role == two.role
                && one.component == two.component
                && (one.component.is_some() || one.pattern == two.pattern)
        })
}
