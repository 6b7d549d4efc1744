//! Translates a document of the dialect into our own config.

use std::path::Path;

use gepa_configs::{DialectContext, Translation};
use gepa_configs::{EvaluatorSettings, ExampleSettings, RawConfig};
use gepa_engine::config::Overlap;
use toml::Table;

use super::fit::Fit;
use super::form::Form;
use super::guidance::read_template;
use super::models::{POLICY_KEYS, read_mutation_model, read_policy};
use super::pipeline::give_to_app;
use super::prompt::read_prompt;
use super::reader::Reader;
use super::search::{read_merge, read_search};
use super::seeds::{Sets, items, read_sets, shared};
use super::spellings::{MINIBATCH_SIZE, RESULTS_FOLDER, ROLLOUT_BUDGET, VALIDATION_SEEDS};
use super::task_app::{further_policy_settings, is_one_split, read_task_app};
use super::unknown::note_unknown;

/// Translates a document to which overrides have been applied. `own` lists the tables of our own
/// format that the document may have beside `[prompt_learning]`.
pub(crate) fn translate(
    table: &Table,
    dialect: Form,
    context: DialectContext<'_>,
    own: &[&str],
) -> Translation {
    let mut reader = Reader::new(table, dialect, context.environment, context.is_submitted);
    let mut raw = RawConfig::default();
    let mut results_folder = None;
    if is_gepa(&mut reader) {
        results_folder = reader.text(RESULTS_FOLDER);
        fill(&mut reader, &mut raw, context.directory);
        note_unknown(&mut reader, own);
    }
    Translation {
        raw,
        keys: reader.keys,
        problems: reader.problems,
        notes: reader.notes,
        results_folder,
    }
}

fn is_gepa(reader: &mut Reader<'_>) -> bool {
    let key = reader.full("algorithm");
    if reader.dialect == Form::Table && !reader.table["prompt_learning"].is_table() {
        reader.refuse("prompt_learning", "must be a table");
        return false;
    }
    match reader
        .value(&key)
        .map(|value| value.as_str().unwrap_or_default())
    {
        Some("gepa") => return true,
        Some("mipro") => {
            let message = "is `mipro`, another algorithm, which this engine does not have; write `gepa` and a `gepa` table";
            reader.refuse(&key, message);
        }
        Some(other) => reader.refuse(
            &key,
            format!("is `{other}`; the only algorithm here is `gepa`"),
        ),
        None => reader.refuse(&key, "is missing; write `algorithm = \"gepa\"`"),
    }
    false
}

fn fill(reader: &mut Reader<'_>, raw: &mut RawConfig, directory: &Path) {
    let mut task_app = read_task_app(reader);
    let policy = read_policy(reader);
    task_app.policy_name = reader.text(&["policy.policy_name"]);
    task_app.policy_config = further_policy_settings(reader, &POLICY_KEYS);
    // At temperature 0 answers count as repeatable, as in our own format.
    task_app.deterministic = policy
        .as_ref()
        .is_some_and(|policy| policy.temperature == Some(0.0));
    raw.reflection_model = read_mutation_model(reader, policy.as_ref());
    raw.policy = policy;
    give_to_app(read_prompt(reader, raw), &mut task_app);
    raw.reflection.template = read_template(reader, directory);
    read_search(reader, raw);
    let messages = raw.prompt.iter().flat_map(|prompt| &prompt.messages);
    let components = messages
        .filter(|message| message.component.is_some())
        .count()
        + raw.components.len();
    read_merge(reader, raw, components);
    raw.run.name = name(reader).unwrap_or_else(|| task_app.env_name.clone());

    let sets = read_sets(reader, raw.search.minibatch_size);
    let sets = fit(reader, raw, sets);
    allow_overlaps(reader, raw, &sets, is_one_split(&task_app));
    raw.examples = Some(ExampleSettings {
        train: items(&sets.train),
        pareto: items(&sets.pareto),
        validation: items(&sets.validation),
    });
    raw.evaluator = Some(EvaluatorSettings::TaskApp(task_app));
}

fn name(reader: &mut Reader<'_>) -> Option<String> {
    let named = reader.prose(&["initial_prompt.name"]);
    named.or_else(|| reader.prose(&["initial_prompt.id"]))
}

/// Reduces the minibatch to the size of the train set, and all sizes until the budget pays for one
/// proposal.
fn fit(reader: &mut Reader<'_>, raw: &mut RawConfig, sets: Sets) -> Sets {
    let train = sets.train.len().max(1) as u32;
    if raw.search.minibatch_size > train {
        let key = reader.key(MINIBATCH_SIZE);
        let from = raw.search.minibatch_size;
        reader.note(
            &key,
            format!("is {from}, and {train} seed(s) train: minibatch_size {from} -> {train}"),
        );
        raw.search.minibatch_size = train;
    }
    let mut fit = Fit {
        sets,
        minibatch_size: raw.search.minibatch_size,
        top_k: raw.validation.top_k,
    };
    if let Some(budget) = raw.budget.max_rollouts {
        let key = reader.key(ROLLOUT_BUDGET);
        for note in fit.concede(budget) {
            reader.note(&key, note);
        }
    }
    raw.search.minibatch_size = fit.minibatch_size;
    raw.validation.top_k = fit.top_k;
    fit.sets
}

fn allow_overlaps(reader: &mut Reader<'_>, raw: &mut RawConfig, sets: &Sets, is_one_split: bool) {
    let pairs = [
        (Overlap::TrainPareto, shared(&sets.train, &sets.pareto)),
        (
            Overlap::TrainValidation,
            shared(&sets.train, &sets.validation),
        ),
        (
            Overlap::ParetoValidation,
            shared(&sets.pareto, &sets.validation),
        ),
    ];
    raw.search.allow_overlap = pairs
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(pair, _)| *pair)
        .collect();
    let with_validation = pairs[1].1 + pairs[2].1;
    if is_one_split && with_validation > 0 {
        let key = reader.key(VALIDATION_SEEDS);
        let note = format!(
            "shares {with_validation} seed(s) of the same split with the training seeds: what it shows is not held out"
        );
        reader.note(&key, note);
    }
}
