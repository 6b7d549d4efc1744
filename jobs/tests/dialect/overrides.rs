//! Overrides win over every spelling, and applying them twice changes nothing.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::job::{FLAT_JOB, JOB, load, notes, settings};
use gepa_configs::SubmittedConfig;
use gepa_models::Environment;

#[track_caller]
fn check(text: &str, set: &str, pointer: &str, expected: &Value) {
    assert_eq!(
        settings(text, &[set]).pointer(pointer),
        Some(expected),
        "{set}"
    );
}

#[test]
fn an_override_wins_over_the_other_spelling_in_the_file() {
    check(
        JOB,
        "prompt_learning.gepa.rollout_budget=321",
        "/budget/max_rollouts",
        &json!(321),
    );
    check(
        FLAT_JOB,
        "prompt_learning.gepa.rollout.budget=321",
        "/budget/max_rollouts",
        &json!(321),
    );
    check(
        JOB,
        "prompt_learning.evaluation_seeds=[4, 5, 6, 7]",
        "/examples/train",
        &json!([4, 5]),
    );
    check(
        FLAT_JOB,
        "prompt_learning.gepa.evaluation.seeds=[4, 5]",
        "/examples/train",
        &json!([4]),
    );
    check(
        JOB,
        "prompt_learning.gepa={rollout_budget = 322}",
        "/budget/max_rollouts",
        &json!(322),
    );
    let text = format!("{JOB}\n[termination_config]\nmax_rollouts = 100\n");
    check(
        &text,
        "prompt_learning.termination_config.max_rollouts=90",
        "/budget/max_rollouts",
        &json!(90),
    );
    let text = format!("{JOB}\n[prompt_learning.gepa.archive]\nmax_size = 10\n");
    check(
        &text,
        "prompt_learning.gepa.archive.size=5",
        "/search/archive_max_size",
        &json!(5),
    );
}

#[test]
fn the_last_override_wins() {
    let set = [
        "prompt_learning.gepa.rollout_budget=321",
        "prompt_learning.gepa.rollout.budget=322",
    ];
    assert_eq!(settings(JOB, &set)["budget"]["max_rollouts"], 322);
    let set = [
        "prompt_learning.gepa.rollout.budget=322",
        "prompt_learning.gepa.rollout_budget=321",
    ];
    assert_eq!(settings(JOB, &set)["budget"]["max_rollouts"], 321);
}

#[test]
fn tables_are_merged_and_keys_that_override_nothing_are_left_out() {
    let all = settings(
        JOB,
        &[
            "prompt_learning.policy={temperature = 0.9}",
            "backend=\"http://x\"",
            "auto_start=true",
        ],
    );
    assert_eq!(all["policy"]["model"], "llama-3.1-8b-instant");
    assert_eq!(all["policy"]["temperature"], 0.9);
    assert_eq!(
        notes(JOB, &["backend=\"http://x\"", "metadata={a = 1}"]),
        ""
    );
}

#[test]
fn an_unknown_path_is_added_and_noted() {
    let set = ["prompt_learning.gepa.nowhere.depth=3"];
    assert_eq!(
        notes(JOB, &set),
        "--set: `prompt_learning.gepa.nowhere.depth` is not known to this engine and has no effect"
    );
    let task = load(JOB, &set, &[]).unwrap();
    assert_eq!(
        task.config_body()["prompt_learning"]["gepa"]["nowhere"]["depth"],
        3
    );
}

#[test]
fn a_problem_with_an_override_names_the_override() {
    let error = load(JOB, &["prompt_learning.gepa.rollout.budget=0"], &[]).unwrap_err();
    assert_eq!(
        error,
        "--set: `prompt_learning.gepa.rollout.budget` must be a whole number of 1 or more"
    );
}

#[test]
fn the_stored_config_gives_the_same_task_again() {
    let environment = Environment::default();
    let file = std::path::Path::new("");
    let set = [
        "prompt_learning.evaluation_seeds=[4, 5, 6, 7]",
        "prompt_learning.policy.model=\"m\"",
    ];
    let task = load(JOB, &set, &[]).unwrap();
    let source = gepa_configs::ConfigSource {
        file,
        environment: &environment,
        overrides: &[],
        dialects: gepa_jobs::DIALECTS,
    };
    let again = source.load_stored(&task.described).unwrap();
    assert_eq!(again.settings(), task.settings());
    assert_eq!(again.described, task.described);
}

fn any_override() -> impl Strategy<Value = (String, Value)> {
    let key = prop::sample::select(vec![
        "prompt_learning.gepa.rollout.budget",
        "prompt_learning.gepa.rollout_budget",
        "prompt_learning.termination_config.max_rollouts",
        "termination_config.max_rollouts",
        "prompt_learning.gepa.population.num_generations",
        "prompt_learning.gepa.num_generations",
        "prompt_learning.gepa.archive.size",
        "prompt_learning.gepa.archive.max_size",
        "prompt_learning.gepa.unknown.key",
        "auto_start",
    ]);
    (key, 1_u64..2_000).prop_map(|(key, value)| (key.to_owned(), json!(value)))
}

fn body() -> Value {
    let table: toml::Table = toml::from_str(JOB).unwrap();
    serde_json::to_value(table).unwrap()
}

proptest! {
    #[test]
    fn applying_overrides_twice_is_applying_them_once(overrides in prop::collection::vec(any_override(), 0..6)) {
        let overrides: Map<String, Value> = overrides.into_iter().collect();
        let environment = Environment::default();
        let once = SubmittedConfig { body: &body(), overrides: &overrides, environment: &environment, dialects: gepa_jobs::DIALECTS }.load().unwrap();
        let applied = once.config_body().clone();
        let twice = SubmittedConfig { body: &applied, overrides: &overrides, environment: &environment, dialects: gepa_jobs::DIALECTS }.load().unwrap();
        prop_assert_eq!(once.settings(), twice.settings());
        prop_assert_eq!(once.config_body(), twice.config_body());
    }
}
