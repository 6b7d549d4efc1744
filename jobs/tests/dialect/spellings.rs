//! Spellings of a key, keys without effect, and tables beside the job.

use serde_json::json;

use crate::job::{FLAT_JOB, JOB, check, check_note, notes, set, settings};

#[test]
fn flat_spellings_mean_the_same() {
    let all = settings(FLAT_JOB, &[]);
    let expected = json!([
        ["/budget/max_rollouts", 400],
        ["/run/max_concurrent", 7],
        ["/search/minibatch_size", 4],
        ["/reflection_model/model", "gpt-4.1"],
        ["/reflection_model/provider", "openai"],
        ["/budget/max_iterations", 11],
        ["/run/gate_lag", 2],
        ["/budget/no_improvement_iterations", 8],
        ["/search/archive_max_size", 30],
        ["/validation/top_k", 2],
        ["/evaluator/validation_split", "test"],
        ["/reflection/max_text_chars", 4000],
        ["/budget/max_cost_usd", 3.5],
        ["/prompt/messages/0/pattern", "Classify."],
        ["/policy/model", "openai/gpt-oss-20b"],
    ]);
    for row in expected.as_array().unwrap() {
        assert_eq!(
            all.pointer(row[0].as_str().unwrap()),
            Some(&row[1]),
            "{row}"
        );
    }
    assert_eq!(all["examples"]["pareto"].as_array().unwrap().len(), 12);
    assert_eq!(all["examples"]["validation"].as_array().unwrap().len(), 10);
}

#[test]
fn nested_spellings_win_over_flat_ones() {
    let text = format!("{JOB}\n[prompt_learning.gepa.population]\nnum_generations = 2\n").replace(
        "env_name = \"heartdisease\"",
        "rollout_budget = 7\nnum_generations = 9\nmax_concurrent_rollouts = 3",
    );
    let all = settings(&text, &[]);
    assert_eq!(all["budget"]["max_rollouts"], 500);
    assert_eq!(all["budget"]["max_iterations"], 2 * 5 + 19);
    assert_eq!(
        all["run"]["max_concurrent"], 3,
        "what only the flat spelling says counts"
    );
}

#[test]
fn the_same_keys_at_the_top_level_are_a_job_too() {
    let text = JOB
        .replace("[prompt_learning]\n", "")
        .replace("prompt_learning.", "");
    assert_eq!(settings(&text, &[]), settings(JOB, &[]));
    assert_eq!(
        settings(&text, &["gepa.rollout.budget=77"])["budget"]["max_rollouts"],
        77
    );
}

#[test]
fn settings_this_engine_lacks_are_noted_only_if_they_differ_from_the_default() {
    check_note(
        set!("gepa.mutation.rate=0.9"),
        "mutation.rate` has no effect",
    );
    check_note(
        set!("gepa.population.selection_pressure=2"),
        "selection_pressure` has no effect",
    );
    check_note(
        set!("gepa.archive.pareto_eps=0.1"),
        "pareto_eps` has no effect: fronts compare scores exactly",
    );
    let usual = set!(
        "gepa.mutation.rate=0.3",
        "gepa.population.selection_pressure=1.0",
        "gepa.archive.pareto_eps=1e-6"
    );
    assert_eq!(notes(JOB, usual), "");
}

#[test]
fn unknown_keys_are_tolerated_and_reported_and_display_is_ignored() {
    let text = format!(
        "{JOB}\n[display]\ntui = true\n\n[prompt_learning.gepa.novelty]\nx = 1\n\n[somewhere]\ny = 2\n"
    );
    assert_eq!(
        notes(&text, &[]),
        "job.toml:40: `prompt_learning.gepa.novelty.x` is not known to this engine and has no effect\n\
         job.toml:43: `somewhere.y` is not known to this engine and has no effect"
    );
}

#[test]
fn keys_of_later_versions_are_noted_with_the_reason() {
    for (set, expected) in [
        (
            "gepa.proposer_effort=\"LOW\"",
            "gepa.proposer_effort` has no effect",
        ),
        (
            "gepa.proposer_output_tokens=\"FAST\"",
            "gepa.proposer_output_tokens` has no effect",
        ),
        (
            "judge.enabled=true",
            "judge` has no effect: the task app's reward is the score",
        ),
        ("proxy_models.n_min_hi=5", "proxy_models` has no effect"),
        (
            "gepa.adaptive_pool.level=\"LOW\"",
            "adaptive_pool` has no effect",
        ),
        (
            "adaptive_batch.level=\"LOW\"",
            "adaptive_batch` has no effect",
        ),
        ("free_tier=true", "free_tier` has no effect"),
    ] {
        check_note(&[&format!("prompt_learning.{set}")], expected);
    }
}

#[test]
fn our_own_tables_beside_the_job_win() {
    let text = format!(
        "{JOB}\n[search]\nminibatch_size = 2\n\n[evaluator]\nanswer_seconds = 55.0\n\n[[prices]]\nprovider = \"groq\"\nmodel = \"m\"\nprompt_usd_per_million = 1.0\ncompletion_usd_per_million = 2.0\n"
    );
    let all = settings(&text, &[]);
    assert_eq!(all["search"]["minibatch_size"], 2);
    assert_eq!(all["evaluator"]["answer_seconds"], 55.0);
    assert_eq!(all["evaluator"]["url"], "http://127.0.0.1:8114");
    assert_eq!(all["prices"][0]["model"], "m");
}

#[test]
fn a_budget_that_does_not_pay_for_one_proposal_reduces_the_sizes() {
    let set = set!(
        "gepa.rollout.budget=44",
        "gepa.evaluation.validation_top_k=2"
    );
    check(set, "/validation/top_k", &json!(1));
    check(set, "/search/minibatch_size", &json!(3));
    assert_eq!(
        settings(JOB, set)["examples"]["pareto"]
            .as_array()
            .unwrap()
            .len(),
        9
    );
    check_note(set, "validation_top_k 2 -> 1");
    check_note(set, "minibatch_size 8 -> 3");
    check_note(set, "Pareto seeds (the others train) 15 -> 9");
}

#[test]
fn results_go_to_a_folder_beside_the_file() {
    let folder = tempfile::TempDir::new().unwrap();
    let task = crate::job::load_in(&folder, JOB, set!("results_folder=\"out\""), &[]).unwrap();
    assert_eq!(task.results_folder(), Some(&*folder.path().join("out")));
    let text = format!("results_folder = \"top\"\n{JOB}");
    let task = crate::job::load_in(&folder, &text, &[], &[]).unwrap();
    assert_eq!(task.results_folder(), Some(&*folder.path().join("top")));
}
