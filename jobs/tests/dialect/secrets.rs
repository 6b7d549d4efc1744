//! Variables are replaced when they are used and their values are not stored. Keys appear nowhere.

use tempfile::TempDir;

use crate::job::{JOB, load, load_in};

fn with_key(value: &str) -> String {
    JOB.replace(
        "[prompt_learning.initial_prompt]",
        &format!("task_app_api_key = \"{value}\"\n\n[prompt_learning.initial_prompt]"),
    )
}

/// All texts that a task shows or stores.
fn everything(task: &gepa_configs::TaskConfig) -> String {
    let notes: Vec<String> = task.notes().iter().map(ToString::to_string).collect();
    format!(
        "{task:?}\n{}\n{}\n{notes:?}",
        task.described,
        task.config_body()
    )
}

#[test]
fn only_the_name_of_the_keys_variable_is_stored() {
    let task = load(
        &with_key("${ENVIRONMENT_API_KEY}"),
        &[],
        &[("ENVIRONMENT_API_KEY", "sesame")],
    )
    .unwrap();
    assert!(!everything(&task).contains("sesame"));
    assert_eq!(
        task.config_body()["prompt_learning"]["task_app_api_key"],
        "${ENVIRONMENT_API_KEY}"
    );
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    let error = load(&with_key("${ENVIRONMENT_API_KEY}"), &[], &[]).unwrap_err();
    assert_eq!(
        error,
        "job.toml:5: `prompt_learning.task_app_api_key` needs the variable ENVIRONMENT_API_KEY, which is not set; \
         set it in the environment, in .env, or in the file `env_file_path` names"
    );
}

#[test]
fn a_key_in_the_file_stays_in_memory() {
    let task = load(&with_key("sesame"), &[], &[]).unwrap();
    assert!(
        !everything(&task).contains("sesame"),
        "{}",
        everything(&task)
    );
    assert!(
        task.config_body()["prompt_learning"]
            .get("task_app_api_key")
            .is_none()
    );
    assert!(task.task_app_key().is_some());
}

#[test]
fn every_other_value_that_looks_like_a_secret_is_left_out_and_noted() {
    let set = [
        "prompt_learning.policy.api_key=\"sesame\"",
        "prompt_learning.env_config.db_password=\"sesame\"",
    ];
    let task = load(JOB, &set, &[]).unwrap();
    let all = everything(&task);
    assert!(!all.contains("sesame"), "{all}");
    assert!(
        all.contains("policy.api_key") && all.contains("looks like a secret"),
        "{all}"
    );
}

#[test]
fn variables_are_replaced_in_values_but_never_in_prompts() {
    let text = JOB
        .replace("http://127.0.0.1:8114", "${APP}/x")
        .replace("Classify.", "Pay ${AMOUNT} and ${APP}.")
        .replace(
            "env_name = \"heartdisease\"",
            "env_config = { level = \"${LEVEL}\" }",
        );
    let task = load(&text, &[], &[("APP", "http://h:1"), ("LEVEL", "hard")]).unwrap();
    let settings = serde_json::to_value(task.settings()).unwrap();
    assert_eq!(settings["evaluator"]["url"], "http://h:1/x");
    assert_eq!(settings["evaluator"]["env_config"]["level"], "hard");
    assert_eq!(
        settings["prompt"]["messages"][0]["pattern"],
        "Pay ${AMOUNT} and ${APP}."
    );
    assert!(!task.described.to_string().contains("hard"));
}

#[test]
fn the_environment_wins_over_the_file_of_variables() {
    let folder = TempDir::new().unwrap();
    std::fs::write(
        folder.path().join("keys.env"),
        "ENVIRONMENT_API_KEY=sesame\nGROQ_API_KEY=file\n",
    )
    .unwrap();
    let text = with_key("${ENVIRONMENT_API_KEY}")
        .replace("algorithm", "env_file_path = \"keys.env\"\nalgorithm");
    let task = load_in(&folder, &text, &[], &[("GROQ_API_KEY", "process")]).unwrap();
    assert_eq!(task.environment().get("GROQ_API_KEY"), Some("process"));
    assert_eq!(
        task.environment().get("ENVIRONMENT_API_KEY"),
        Some("sesame")
    );
    assert!(task.notes().is_empty());
    assert!(!everything(&task).contains("sesame"));
}

#[test]
fn a_missing_file_of_variables_is_noted() {
    let text = JOB.replace("algorithm", "env_file_path = \"nowhere.env\"\nalgorithm");
    let task = load(&text, &[], &[]).unwrap();
    assert!(
        task.notes()[0]
            .to_string()
            .contains("env_file_path` names nowhere.env, which is not there")
    );
    assert_eq!(task.notes().len(), 1);
}
