//! Tests of the table in `docs/prompt-learning.md`: the task app, the prompt, the models.

use serde_json::{Value, json};

use crate::job::{FLAT_JOB, JOB, check, check_note, notes, set, settings};

#[test]
fn the_task_app_is_the_evaluator() {
    check(&[], "/evaluator/kind", &json!("task_app"));
    check(&[], "/evaluator/url", &json!("http://127.0.0.1:8114"));
    check(&[], "/evaluator/env_name", &json!("heartdisease"));
    check(&[], "/run/name", &json!("hearts"));
    check(
        set!("initial_prompt.name=\"Hearts\""),
        "/run/name",
        &json!("Hearts"),
    );
}

#[test]
fn without_an_environment_name_the_default_is_used() {
    let all = settings(FLAT_JOB, &[]);
    assert_eq!(all["evaluator"]["env_name"], "banking77");
    assert_eq!(all["run"]["name"], "banking77");
}

#[test]
fn pools_are_splits_and_the_rest_of_the_environment_passes_through() {
    let set = set!(
        "env_config={pool = \"train\", difficulty = 3, test_pool = [1]}",
        "gepa.env_config.size=\"8x8\""
    );
    check(set, "/evaluator/split", &json!("train"));
    check(
        set,
        "/evaluator/env_config",
        &json!({"pool": "train", "difficulty": 3, "size": "8x8"}),
    );
    check(
        set!("gepa.evaluation.validation_pool=\"test\""),
        "/evaluator/validation_split",
        &json!("test"),
    );
    check(&[], "/evaluator/split", &Value::Null);
    check(&[], "/evaluator/validation_split", &Value::Null);
}

#[test]
fn system_messages_evolve_and_the_others_stay() {
    let messages = json!([
        {"role": "system", "component": "system", "pattern": "Classify."},
        {"role": "user", "pattern": "Patient: {features}"},
    ]);
    check(&[], "/prompt/messages", &messages);
    let two = set!(
        "initial_prompt.messages=[{role = \"system\", pattern = \"A\"}, {role = \"system\", content = \"B\"}]"
    );
    check(two, "/prompt/messages/1/component", &json!("system_2"));
    check(two, "/prompt/messages/1/pattern", &json!("B"));
    let none = set!(
        "initial_prompt.messages=[{role = \"user\", pattern = \"A\"}, {role = \"user\", pattern = \"B\"}]"
    );
    check(none, "/prompt/messages/0/component", &json!("user"));
    check(none, "/prompt/messages/1/component", &Value::Null);
}

#[test]
fn a_required_wildcard_no_message_has_is_noted() {
    check_note(
        set!(
            "initial_prompt.wildcards={features = \"REQUIRED\", age = \"REQUIRED\", x = \"OPTIONAL\"}"
        ),
        "wildcards.age` is required",
    );
    assert!(
        !notes(
            JOB,
            set!("initial_prompt.wildcards={features = \"REQUIRED\"}")
        )
        .contains("required")
    );
}

#[test]
fn pipeline_modules_are_components() {
    let set = set!(
        "initial_prompt.metadata.pipeline_modules=[{name = \"b\", instruction_text = \"B text\", few_shots = [{input = \"i\"}]}, {module_id = \"a\", instruction_lines = [\" A \", \"\", \"text\"]}]",
        "gepa.modules=[{module_id = \"a\"}, {stage_id = \"b\", max_tokens = 9}, {module_id = \"more\"}]",
        "gepa.population.crossover_rate=0.4"
    );
    check(set, "/components", &json!({"b": "B text", "a": "A\ntext"}));
    check(
        set,
        "/evaluator/pipeline",
        &json!([{"component": "b", "baseline": "B text"}, {"component": "a", "baseline": "A\ntext"}]),
    );
    check(
        set,
        "/evaluator/policy_config/prompt_template/prompt_metadata/pipeline_modules",
        &json!([
            {"name": "b", "instruction_text": "B text", "few_shots": [{"input": "i"}]},
            {"name": "a", "instruction_text": "A\ntext", "module_id": "a"},
        ]),
    );
    check(set, "/prompt", &Value::Null);
    check(set, "/merge/enabled", &json!(true));
    check_note(set, "messages` is a placeholder");
    check_note(set, "modules[1].max_tokens` has no effect");
    check(
        set!("gepa.population.crossover_rate=0.4"),
        "/merge/enabled",
        &json!(false),
    );
}

#[test]
fn the_policy_is_the_one_named() {
    check(
        &[],
        "/policy",
        &json!({
            "provider": "groq", "model": "llama-3.1-8b-instant", "temperature": 0.0, "max_tokens": 512,
        }),
    );
    check(&[], "/evaluator/deterministic", &json!(true));
    check(
        set!("policy.temperature=0.5"),
        "/policy/temperature",
        &json!(0.5),
    );
    check(
        set!("policy.temperature=0.5"),
        "/evaluator/deterministic",
        &json!(false),
    );
    check(
        set!("policy.max_completion_tokens=64"),
        "/policy/max_tokens",
        &json!(64),
    );
    check(
        set!("policy.policy_name=\"p\""),
        "/evaluator/policy_name",
        &json!("p"),
    );
    check(
        set!("policy.max_steps=9"),
        "/evaluator/policy_config",
        &json!({"max_steps": 9}),
    );
    check(
        set!("gepa.policy.model=\"llama-3.3-70b\""),
        "/policy/model",
        &json!("llama-3.3-70b"),
    );
}

#[test]
fn a_provider_in_front_of_the_model_is_removed_only_if_it_repeats_the_provider() {
    check(
        set!("policy.model=\"groq/llama-3\""),
        "/policy/model",
        &json!("llama-3"),
    );
    check(
        set!("policy.model=\"openai/gpt-oss-20b\""),
        "/policy/model",
        &json!("openai/gpt-oss-20b"),
    );
    let openai = set!(
        "policy.model=\"openai/gpt-4o\"",
        "policy.provider=\"OpenAI\""
    );
    check(openai, "/policy/model", &json!("gpt-4o"));
    check(openai, "/policy/provider", &json!("openai"));
}

#[test]
fn the_mutation_model_rewrites() {
    check(
        &[],
        "/reflection_model",
        &json!({"provider": "groq", "model": "llama-3.3-70b-versatile"}),
    );
    let set = set!(
        "gepa.mutation.temperature=0.7",
        "gepa.mutation.max_tokens=900",
        "gepa.mutation.llm_provider=\"google\""
    );
    check(
        set,
        "/reflection_model",
        &json!({
            "provider": "google", "model": "llama-3.3-70b-versatile", "temperature": 0.7, "max_tokens": 900,
        }),
    );
    let own = "gepa.mutation.llm_inference_url=\"http://127.0.0.1:9/v1\"";
    check(
        &[&format!("prompt_learning.{own}")],
        "/reflection_model/base_url",
        &json!("http://127.0.0.1:9/v1"),
    );
    check(
        set!("gepa.mutation.llm_inference_url=\"https://api.groq.com\""),
        "/reflection_model/base_url",
        &Value::Null,
    );
}

#[test]
fn each_proposer_mode_has_keys_of_its_own() {
    for (mode, prefix) in [("dspy", "dspy"), ("gepa-ai", "gepa_ai"), ("synth", "synth")] {
        let key = |name: &str, value: &str| {
            format!("prompt_learning.gepa.mutation.{prefix}_{name}={value}")
        };
        let set = [
            format!("prompt_learning.gepa.proposer_mode=\"{mode}\""),
            key("meta_model", "\"meta\""),
            key("meta_provider", "\"openai\""),
            key("temperature", "0.3"),
            key("max_tokens", "77"),
        ];
        let set: Vec<&str> = set.iter().map(String::as_str).collect();
        check(
            &set,
            "/reflection_model",
            &json!({
                "provider": "openai", "model": "meta", "temperature": 0.3, "max_tokens": 77,
            }),
        );
        check(
            &set[1..],
            "/reflection_model/model",
            &json!("llama-3.3-70b-versatile"),
        );
    }
}

#[test]
fn without_a_mutation_model_the_policys_model_rewrites() {
    let text = JOB.replace("llm_model = \"llama-3.3-70b-versatile\"", "");
    let all = settings(&text, &[]);
    assert_eq!(
        all["reflection_model"],
        json!({"provider": "groq", "model": "llama-3.1-8b-instant"})
    );
    assert!(notes(&text, &[]).contains("of the policy rewrites prompts"));
}

#[test]
fn guidance_stands_in_front_of_the_reflection_prompt() {
    check(&[], "/reflection/template", &Value::Null);
    let template = |overrides: &[&str]| {
        settings(JOB, overrides)["reflection"]["template"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let metaprompt = template(set!("gepa.metaprompt=\"Be brief.\""));
    assert!(metaprompt.starts_with("Be brief.\n\n") && metaprompt.contains("<side_info>"));
    let guidance = template(set!("gepa.mutation.prompt=\"Mutate well.\""));
    assert!(guidance.starts_with("Mutate well.\n\n") && guidance.contains("<curr_param>"));
    let whole = template(set!(
        "gepa.mutation.prompt=\"Rewrite <curr_param> by <side_info>\"",
        "gepa.metaprompt=\"M\""
    ));
    assert_eq!(whole, "M\n\nRewrite <curr_param> by <side_info>");
}

#[test]
fn a_specification_joins_the_guidance_up_to_its_bound() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("spec.json"), "0123456789".repeat(10)).unwrap();
    let set = set!(
        "gepa.proposer_type=\"spec\"",
        "gepa.spec_path=\"spec.json\"",
        "gepa.spec_max_tokens=5"
    );
    let task = crate::job::load_in(&folder, JOB, set, &[]).unwrap();
    let template = task.settings().reflection.template.clone().unwrap();
    assert!(template.contains("01234567890123456789\n\n"), "{template}");
}
