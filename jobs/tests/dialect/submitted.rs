//! What a config that was submitted over HTTP may contain.

use gepa_configs::{ConfigSource, SubmittedConfig, TaskConfig};
use gepa_models::Environment;
use serde_json::{Map, Value, json};

use crate::job::JOB;

fn body() -> Value {
    let table: toml::Table = toml::from_str(JOB).unwrap();
    serde_json::to_value(table).unwrap()
}

fn submit(overrides: Value) -> Result<TaskConfig, String> {
    submit_body(&body(), overrides)
}

fn submit_body(body: &Value, overrides: Value) -> Result<TaskConfig, String> {
    let environment = Environment::of([
        ("ENVIRONMENT_API_KEY", "sesame"),
        ("HOME_SECRET", "hidden"),
        ("LOCAL_API_BASE", "http://127.0.0.1:1/v1"),
    ]);
    let overrides: Map<String, Value> = serde_json::from_value(overrides).unwrap();
    let config = SubmittedConfig {
        body,
        overrides: &overrides,
        environment: &environment,
        dialects: gepa_jobs::DIALECTS,
    };
    config.load().map_err(|error| error.to_string())
}

#[track_caller]
fn check_refused(key: &str, value: &Value, expected: &str) {
    let error = submit(json!({key: value})).unwrap_err();
    assert!(error.contains(expected), "{key}: {error}");
    assert!(
        error.contains(key.rsplit_once('.').unwrap_or((key, "")).0),
        "{key}: {error}"
    );
    assert!(
        !error.contains("hidden") && !error.contains("sesame"),
        "{error}"
    );
}

#[test]
fn a_submitted_job_is_the_job_with_its_overrides() {
    let task = submit(json!({"prompt_learning.gepa.rollout.budget": 77, "prompt_learning.policy.model": "m", "metadata": {}})).unwrap();
    assert_eq!(task.config.settings().budget.max_rollouts, Some(77));
    assert_eq!(task.policy(), Some(("groq", "m")));
    assert_eq!(
        task.config_body()["prompt_learning"]["policy"]["model"],
        "m"
    );
    assert!(task.is_submitted());
    assert!(SubmittedConfig::marks(&task.described));
}

#[test]
fn null_means_not_set() {
    let task = submit(
        json!({"prompt_learning.gepa.rng_seed": null, "prompt_learning.policy.policy_name": null}),
    )
    .unwrap();
    assert!(task.notes().is_empty(), "{:?}", task.notes());
}

#[test]
fn a_key_in_the_body_is_held_in_memory_only() {
    let task = submit(json!({"prompt_learning.task_app_api_key": "open"})).unwrap();
    assert!(task.task_app_key().is_some());
    assert!(!format!("{task:?}{}", task.described).contains("open"));
    let task =
        submit(json!({"prompt_learning.task_app_api_key": "${ENVIRONMENT_API_KEY}"})).unwrap();
    assert!(!format!("{task:?}{}", task.described).contains("sesame"));
}

#[test]
fn variables_of_the_server_are_not_read() {
    let not_read = "may not read";
    check_refused(
        "prompt_learning.gepa.env_name",
        &json!("${HOME_SECRET}"),
        not_read,
    );
    check_refused(
        "prompt_learning.env_config.x",
        &json!("${ENVIRONMENT_API_KEY}"),
        not_read,
    );
    check_refused(
        "prompt_learning.policy.note",
        &json!("${HOME_SECRET}"),
        not_read,
    );
    check_refused(
        "prompt_learning.task_app_api_key",
        &json!("${HOME_SECRET}"),
        "may name no variable but ENVIRONMENT_API_KEY",
    );
    check_refused(
        "evaluator.api_key_env",
        &json!("HOME_SECRET"),
        "must be ENVIRONMENT_API_KEY",
    );
    check_refused(
        "reflection_model.api_key_env",
        &json!("HOME_SECRET"),
        "may not",
    );
    check_refused(
        "providers.groq.api_key_env",
        &json!("HOME_SECRET"),
        "may not",
    );
}

#[test]
fn keys_are_sent_only_to_their_provider() {
    let elsewhere = "send its key nowhere else";
    check_refused(
        "prompt_learning.gepa.mutation.llm_inference_url",
        &json!("https://evil.example/v1"),
        elsewhere,
    );
    check_refused(
        "prompt_learning.gepa.mutation.llm_inference_url",
        &json!("http://api.groq.com/openai/v1"),
        elsewhere,
    );
    check_refused(
        "providers.groq.base_url",
        &json!("https://evil.example/v1"),
        elsewhere,
    );
    check_refused(
        "prompt_learning.policy.provider",
        &json!("home_secret"),
        "does not offer",
    );
    assert!(
        submit(json!({"prompt_learning.gepa.mutation.llm_inference_url": "https://api.groq.com"}))
            .is_ok()
    );
    assert!(
        submit(json!({"prompt_learning.policy.provider": "local"})).is_ok(),
        "the server names its address"
    );
}

#[test]
fn local_files_and_commands_are_refused() {
    let file = "names a local file";
    check_refused("reflection.template_file", &json!("/etc/passwd"), file);
    let overrides = json!({"prompt_learning.gepa.proposer_type": "spec", "prompt_learning.gepa.spec_path": "/etc/passwd"});
    assert!(submit(overrides).unwrap_err().contains(file));
    for (own, expected) in [
        (json!({"dataset": {"path": "/etc/passwd"}}), file),
        (
            json!({"prompt": {"messages": [{"role": "system", "pattern_file": "/etc/passwd"}]}}),
            file,
        ),
        (
            json!({"evaluator": {"kind": "process", "command": ["sh"]}}),
            "runs a local command",
        ),
        (
            json!({"scorer": {"kind": "command", "command": ["sh"]}}),
            "runs a local command",
        ),
    ] {
        let error = submit_body(&own, json!({})).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("root:"), "{error}");
    }
    let beside = json!({"evaluator.kind": "process", "evaluator.command": ["sh"]});
    assert!(
        submit(beside).is_err(),
        "a table beside the job is restricted too"
    );
}

#[test]
fn folders_and_files_of_variables_have_no_effect() {
    let task = submit(json!({"prompt_learning.results_folder": "/elsewhere", "prompt_learning.env_file_path": "/etc/passwd"})).unwrap();
    assert_eq!(task.results_folder(), None);
    assert_eq!(task.notes().len(), 2, "{:?}", task.notes());
}

#[test]
fn metadata_addresses_are_refused() {
    for url in [
        "http://169.254.169.254/",
        "http://[fe80::1]/",
        "http://metadata.google.internal/",
    ] {
        check_refused(
            "prompt_learning.task_app_url",
            &json!(url),
            "link-local or metadata",
        );
    }
}

#[test]
fn a_stored_submission_is_still_restricted() {
    let task = submit(json!({"prompt_learning.policy.model": "m"})).unwrap();
    let environment = Environment::of([("GEPA__BUDGET__MAX_ROLLOUTS", "9999")]);
    let source = ConfigSource {
        file: std::path::Path::new(""),
        environment: &environment,
        overrides: &[],
        dialects: gepa_jobs::DIALECTS,
    };
    let again = source.load_stored(&task.described).unwrap();
    assert_eq!(again.settings(), task.settings());
    assert!(again.is_submitted());
    let mut tampered = task.described.clone();
    tampered["settings"]["reflection"] = json!({"template_file": "/etc/passwd"});
    assert!(source.load_stored(&tampered).is_err());
}

#[test]
fn bodies_of_any_shape_are_answered() {
    for body in [
        json!(null),
        json!([]),
        json!("x"),
        json!({"prompt_learning": 3}),
        json!({"prompt_learning": {"gepa": 3, "algorithm": "gepa"}}),
        json!({}),
    ] {
        assert!(submit_body(&body, json!({})).is_err(), "{body}");
    }
    assert!(submit(json!({"": 1})).is_err());
    assert!(submit(json!({"prompt_learning.algorithm.x": 1})).is_err());
}
