//! Which job files are refused, with the place of the problem and the remedy.

use crate::job::{JOB, load};

/// Checks that the job with one change is refused with this message. The folder of the file is cut
/// off.
#[track_caller]
fn check(from: &str, to: &str, expected: &str) {
    assert!(JOB.contains(from), "the job has no `{from}`");
    let error = load(&JOB.replace(from, to), &[], &[]).unwrap_err();
    assert_eq!(error, expected);
}

#[test]
fn another_algorithm_is_refused() {
    check(
        "\"gepa\"\n",
        "\"mipro\"\n",
        "job.toml:2: `prompt_learning.algorithm` is `mipro`, another algorithm, which this engine does not have; write `gepa` and a `gepa` table",
    );
    check(
        "\"gepa\"\n",
        "\"ga\"\n",
        "job.toml:2: `prompt_learning.algorithm` is `ga`; the only algorithm here is `gepa`",
    );
    check(
        "algorithm = \"gepa\"\n",
        "",
        "job.toml:1: `prompt_learning.algorithm` is missing; write `algorithm = \"gepa\"`",
    );
}

#[test]
fn a_text_that_is_no_address_is_refused() {
    check(
        "http://127.0.0.1:8114",
        "127.0.0.1:8114",
        "job.toml:3: `prompt_learning.task_app_url` must be an address such as http://127.0.0.1:8114 or https://host",
    );
    check(
        "task_app_url = \"http://127.0.0.1:8114\"\n",
        "",
        "job.toml:1: `prompt_learning.task_app_url` is missing; give the task app's address, http://... or https://...",
    );
}

#[test]
fn a_hosted_provider_and_an_address_of_the_policy_are_refused() {
    check(
        "provider = \"groq\"",
        "provider = \"synth\"",
        "job.toml:21: `prompt_learning.policy.provider` is `synth`, a hosted service this engine cannot call; name the provider that serves the model, for example `groq` or `openai`",
    );
    check(
        "provider = \"groq\"",
        "provider = \"groq\"\napi_base = \"http://x\"",
        "job.toml:22: `prompt_learning.policy.api_base` cannot be set: the engine tells the task app where to send its model calls",
    );
    check(
        "\"synth_hosted\"",
        "\"local\"",
        "job.toml:19: `prompt_learning.policy.inference_mode` is `local`; only `synth_hosted` is known: the engine routes model calls",
    );
    check(
        "model = \"llama-3.1-8b-instant\"\n",
        "",
        "job.toml:18: `prompt_learning.policy.model` is missing; name the policy's `provider` and `model`",
    );
}

#[test]
fn numbers_out_of_range_are_refused_in_both_spellings() {
    for (set, expected) in [
        ("gepa.mutation.rate=1.5", "a number from 0 to 1"),
        ("gepa.mutation_rate=-0.1", "a number from 0 to 1"),
        ("gepa.population.crossover_rate=2", "a number from 0 to 1"),
        ("gepa.crossover_rate=2", "a number from 0 to 1"),
        (
            "gepa.population.selection_pressure=0.5",
            "a number of 1 or more",
        ),
        ("gepa.selection_pressure=0.5", "a number of 1 or more"),
        (
            "gepa.population.patience_generations=-1",
            "a whole number of 0 or more",
        ),
        (
            "gepa.patience_generations=1.5",
            "a whole number of 0 or more",
        ),
        ("gepa.archive.pareto_eps=1", "a number between 0 and 1"),
        ("gepa.archive.feedback_fraction=7", "a number from 0 to 1"),
        (
            "gepa.rollout.max_concurrent=0",
            "a whole number of 1 or more",
        ),
        (
            "gepa.max_concurrent_rollouts=\"many\"",
            "a whole number of 1 or more",
        ),
        ("gepa.token.max_spend_usd=0", "above 0"),
        ("gepa.token.enforce_limit=1", "true or false"),
        (
            "termination_config.max_trials=0",
            "a whole number of 1 or more",
        ),
        ("policy.temperature=3", "a number from 0 to 2"),
        ("gepa.spec_max_tokens=0", "a whole number of 1 or more"),
        ("gepa.env_name=\"\"", "a text that is not empty"),
    ] {
        let key = set.split('=').next().unwrap();
        let error = load(JOB, &[&format!("prompt_learning.{set}")], &[]).unwrap_err();
        assert_eq!(
            error,
            format!("--set: `prompt_learning.{key}` must be {expected}")
        );
    }
}

#[test]
fn a_losing_spelling_is_checked_too() {
    check(
        "env_name = \"heartdisease\"",
        "rollout_budget = 0",
        "job.toml:24: `prompt_learning.gepa.rollout_budget` must be a whole number of 1 or more",
    );
}

#[test]
fn unknown_words_are_refused_with_a_list_of_the_known_ones() {
    check(
        "env_name = \"heartdisease\"",
        "proposer_type = \"synth\"",
        "job.toml:24: `prompt_learning.gepa.proposer_type` is `synth`; known are: dspy, spec",
    );
    check(
        "env_name = \"heartdisease\"",
        "proposer_mode = \"x\"",
        "job.toml:24: `prompt_learning.gepa.proposer_mode` is `x`; known are: dspy, gepa-ai, gepa_ai, synth",
    );
    check(
        "env_name = \"heartdisease\"",
        "proposer_type = \"spec\"",
        "job.toml:23: `prompt_learning.gepa.spec_path` is missing; the proposer `spec` needs the path of the specification",
    );
}

#[test]
fn prompts_without_messages_and_modules_without_texts_are_refused() {
    let pipeline =
        |modules: &str| format!("id = \"hearts\"\nmetadata = {{ pipeline_modules = {modules} }}");
    check(
        "id = \"hearts\"",
        &pipeline("[\"a\"]"),
        "job.toml:7: `prompt_learning.initial_prompt.metadata.pipeline_modules[0]` names module `a` without its text; write { name = \"a\", instruction_text = \"...\" }, for the search starts from that text",
    );
    check(
        "id = \"hearts\"",
        &pipeline("[{ name = \"a\", instruction_text = \"A\" }]"),
        "job.toml:24: `prompt_learning.gepa.modules` has no entry for the pipeline's module `a`; add one with `module_id = \"a\"`",
    );
    check(
        "role = \"user\"\n",
        "",
        "job.toml:8: `prompt_learning.initial_prompt.messages[0]` lacks its `role`: system, user or assistant",
    );
    check(
        "role = \"user\"\n",
        "role = \"tool\"\n",
        "job.toml:9: `prompt_learning.initial_prompt.messages[0].role` must be `system`, `user` or `assistant`",
    );
    check(
        "pattern = \"Classify.\"\n",
        "",
        "job.toml:13: `prompt_learning.initial_prompt.messages[1]` lacks its `pattern`, the text with {wildcards}",
    );
}

#[test]
fn tools_of_modules_are_checked_if_there_are_several_modules() {
    for (tools, expected) in [
        ("[]", "is empty; leave it out to allow every tool"),
        ("[\" \"]", "holds a blank name"),
        ("[\"a\", \"a\"]", "names a tool twice"),
        ("\"a\"", "must be a list of names"),
    ] {
        let set = format!(
            "prompt_learning.gepa.modules=[{{module_id = \"a\"}}, {{module_id = \"b\", allowed_tools = {tools}}}]"
        );
        let error = load(JOB, &[&set], &[]).unwrap_err();
        assert_eq!(
            error,
            format!("--set: `prompt_learning.gepa.modules[1].allowed_tools` {expected}")
        );
    }
}

#[test]
fn values_that_are_no_seeds_are_refused() {
    check(
        "{ start = 0, end = 30 }",
        "[]",
        "job.toml:30: `prompt_learning.gepa.evaluation.train_seeds` is missing or empty; name the seeds to train on, for example [0, 1, 2]",
    );
    check(
        "{ start = 0, end = 30 }",
        "[-1]",
        "job.toml:30: `prompt_learning.gepa.evaluation.train_seeds` must hold whole numbers of 0 or more, or ranges",
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = JOB
        .replace("budget = 500", "budget = 0")
        .replace("\"groq\"", "\"synth\"");
    let error = load(&text, &[], &[]).unwrap_err();
    assert_eq!(error.lines().count(), 2, "{error}");
}
