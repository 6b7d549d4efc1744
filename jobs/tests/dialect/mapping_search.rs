//! Tests of the table in `docs/prompt-learning.md`: example sets, limits and sizes.

use serde_json::{Value, json};

use crate::job::{JOB, check, check_note, notes, set, settings};

#[test]
fn training_seeds_are_divided_in_their_order() {
    let set = set!(
        "gepa.archive.feedback_fraction=0.2",
        "gepa.rollout.minibatch_size=3"
    );
    check(set, "/examples/train", &json!([0, 1, 2, 3, 4, 5]));
    assert_eq!(
        settings(JOB, set)["examples"]["pareto"]
            .as_array()
            .unwrap()
            .len(),
        24
    );
    let capped = set!(
        "gepa.archive.feedback_fraction=0.2",
        "gepa.rollout.minibatch_size=3",
        "gepa.archive.pareto_set_size=4"
    );
    check(capped, "/examples/pareto", &json!([26, 27, 28, 29]));
    assert_eq!(
        settings(JOB, capped)["examples"]["train"]
            .as_array()
            .unwrap()
            .len(),
        26
    );
}

#[test]
fn a_test_pool_is_the_validation_set_if_there_is_no_other() {
    let text = JOB.replace(
        "val_seeds = [100, 101, 102, 103, 104, 105, 106, 107, 108, 109]",
        "test_pool = [7, 200]",
    );
    let all = settings(&text, &[]);
    assert_eq!(all["examples"]["validation"], json!([7, 200]));
    assert!(notes(&text, &[]).contains("serves as the validation set"));
    check_note(
        set!("gepa.evaluation.test_pool=[1, 2]"),
        "test_pool` has no effect",
    );
}

#[test]
fn seeds_shared_with_validation_are_noted_if_they_are_the_same_examples() {
    let same = set!("gepa.evaluation.val_seeds=[0, 29, 300]");
    check(
        same,
        "/search/allow_overlap",
        &json!(["train_validation", "pareto_validation"]),
    );
    check_note(same, "shares 2 seed(s) of the same split");
    let other = set!(
        "gepa.evaluation.val_seeds=[0, 29, 300]",
        "gepa.evaluation.validation_pool=\"test\""
    );
    check(
        other,
        "/search/allow_overlap",
        &json!(["train_validation", "pareto_validation"]),
    );
    assert!(!notes(JOB, other).contains("shares"));
}

#[test]
fn limits_are_the_smaller_ones() {
    check(&[], "/budget/max_rollouts", &json!(500));
    check(
        set!("termination_config.max_rollouts=300"),
        "/budget/max_rollouts",
        &json!(300),
    );
    check(
        set!("termination_config.max_rollouts=900"),
        "/budget/max_rollouts",
        &json!(500),
    );
    check(
        set!(
            "termination_config.max_cost_usd=2.0",
            "gepa.token.max_spend_usd=1"
        ),
        "/budget/max_cost_usd",
        &json!(1.0),
    );
    check(
        set!("termination_config.max_tokens=1000"),
        "/budget/max_tokens",
        &json!(1000),
    );
    check(
        set!("termination_config.max_time_seconds=60"),
        "/budget/max_seconds",
        &json!(60.0),
    );
    check(
        set!("termination_config.max_seconds=61"),
        "/budget/max_seconds",
        &json!(61.0),
    );
}

#[test]
fn the_top_levels_termination_config_wins() {
    let text = format!(
        "{JOB}\n[prompt_learning.termination_config]\nmax_rollouts = 300\n\n[termination_config]\nmax_rollouts = 200\n"
    );
    assert_eq!(settings(&text, &[])["budget"]["max_rollouts"], 200);
}

#[test]
fn generations_and_trials_bound_the_iterations() {
    check(&[], "/budget/max_iterations", &json!(10 * 5 + 19));
    check(
        set!("termination_config.max_trials=40"),
        "/budget/max_iterations",
        &json!(39),
    );
    check(
        set!("termination_config.max_trials=4000"),
        "/budget/max_iterations",
        &json!(69),
    );
    let set = set!(
        "gepa.population.num_generations=2",
        "gepa.population.children_per_generation=100",
        "gepa.population.initial_size=1"
    );
    check(set, "/budget/max_iterations", &json!(200));
    check(set, "/run/gate_lag", &json!(64));
    check(set, "/run/pareto_lag", &json!(64));
    check_note(set, "initial_size` starts no population");
    check(&[], "/run/gate_lag", &json!(5));
    check(&[], "/budget/no_improvement_iterations", &json!(15));
    check(
        set!("gepa.population.patience_generations=0"),
        "/budget/no_improvement_iterations",
        &Value::Null,
    );
}

#[test]
fn sizes_and_random_seeds_of_the_search_are_read() {
    check(
        set!("gepa.rollout.max_concurrent=9"),
        "/run/max_concurrent",
        &json!(9),
    );
    check(&[], "/run/max_concurrent", &json!(20));
    check(set!("gepa.rng_seed=42"), "/run/seed", &json!(42));
    check(&[], "/search/minibatch_size", &json!(8));
    check(
        set!("gepa.rollout.minibatch_size=5"),
        "/search/minibatch_size",
        &json!(5),
    );
    check(
        set!("gepa.evaluation.validation_top_k=3"),
        "/validation/top_k",
        &json!(3),
    );
    check(&[], "/search/archive_max_size", &json!(64));
    check(
        set!("gepa.archive.size=64", "gepa.archive.max_size=10"),
        "/search/archive_max_size",
        &json!(10),
    );
    check(
        set!("gepa.archive.max_size=0"),
        "/search/archive_max_size",
        &Value::Null,
    );
    check(
        set!("gepa.archive.min_score_threshold=0.0"),
        "/search/archive_min_score",
        &Value::Null,
    );
    check(
        set!("gepa.archive.min_score_threshold=0.4"),
        "/search/archive_min_score",
        &json!(0.4),
    );
}

#[test]
fn a_minibatch_is_no_larger_than_the_train_set() {
    let set = set!("gepa.evaluation.train_seeds=[1, 2, 3, 4]");
    check(set, "/search/minibatch_size", &json!(2));
    check_note(set, "minibatch_size 8 -> 2");
}

#[test]
fn a_token_limit_bounds_texts_if_it_is_enforced() {
    check(
        set!("gepa.token.max_limit=100"),
        "/reflection/max_text_chars",
        &json!(400),
    );
    check(
        set!("gepa.token.max_limit=100000"),
        "/reflection/max_text_chars",
        &json!(20_000),
    );
    check(
        set!(
            "gepa.token.max_limit=100",
            "gepa.token.enforce_pattern_limit=false"
        ),
        "/reflection/max_text_chars",
        &json!(20_000),
    );
    let text = format!(
        "{JOB}\n[prompt_learning.gepa.token]\nmax_limit = 100\nenforce_pattern_limit = true\nenforce_limit = false\n"
    );
    assert_eq!(settings(&text, &[])["reflection"]["max_text_chars"], 20_000);
}
