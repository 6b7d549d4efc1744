//! A small job file, and functions that load it.

use gepa_configs::{ConfigSource, TaskConfig};
use gepa_models::Environment;
use serde_json::Value;
use tempfile::TempDir;

/// A job with the nested spellings, 30 training seeds and 10 validation seeds.
pub(crate) const JOB: &str = r#"[prompt_learning]
algorithm = "gepa"
task_app_url = "http://127.0.0.1:8114"

[prompt_learning.initial_prompt]
id = "hearts"

[[prompt_learning.initial_prompt.messages]]
role = "user"
pattern = "Patient: {features}"
order = 1

[[prompt_learning.initial_prompt.messages]]
role = "system"
pattern = "Classify."
order = 0

[prompt_learning.policy]
inference_mode = "synth_hosted"
model = "llama-3.1-8b-instant"
provider = "groq"

[prompt_learning.gepa]
env_name = "heartdisease"

[prompt_learning.gepa.rollout]
budget = 500

[prompt_learning.gepa.evaluation]
train_seeds = { start = 0, end = 30 }
val_seeds = [100, 101, 102, 103, 104, 105, 106, 107, 108, 109]

[prompt_learning.gepa.mutation]
llm_model = "llama-3.3-70b-versatile"
"#;

/// The job of [`JOB`] with the older, flat spellings.
pub(crate) const FLAT_JOB: &str = r#"[prompt_learning]
algorithm = "gepa"
task_app_url = "http://127.0.0.1:8114"
evaluation_seeds = ["0..30"]
validation_seeds = ["100..110"]
validation_top_k = 2
validation_pool = "test"

[[prompt_learning.initial_prompt.messages]]
role = "system"
content = "Classify."

[prompt_learning.policy]
model = "openai/gpt-oss-20b"
provider = "groq"

[prompt_learning.gepa]
rollout_budget = 400
max_concurrent_rollouts = 7
minibatch_size = 4
mutation_llm_model = "gpt-4.1"
mutation_llm_provider = "openai"
initial_population_size = 6
num_generations = 3
children_per_generation = 2
patience_generations = 4
archive_size = 30
pareto_set_size = 12
feedback_fraction = 0.5
max_token_limit = 1000
max_spend_usd = 3.5
"#;

/// Loads a job from a new file.
pub(crate) fn load(
    text: &str,
    overrides: &[&str],
    variables: &[(&str, &str)],
) -> Result<TaskConfig, String> {
    let folder = TempDir::new().unwrap();
    load_in(&folder, text, overrides, variables)
}

/// Loads a job from `job.toml` in a folder.
pub(crate) fn load_in(
    folder: &TempDir,
    text: &str,
    overrides: &[&str],
    variables: &[(&str, &str)],
) -> Result<TaskConfig, String> {
    let file = folder.path().join("job.toml");
    std::fs::write(&file, text).unwrap();
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    let environment = Environment::of(variables.iter().copied());
    let source = ConfigSource {
        file: &file,
        environment: &environment,
        overrides: &overrides,
        dialects: gepa_jobs::DIALECTS,
    };
    let prefix = format!("{}/", folder.path().display());
    source
        .load()
        .map_err(|error| error.to_string().replace(&prefix, ""))
}

/// The job with overrides, translated into our own config.
#[track_caller]
pub(crate) fn settings(text: &str, overrides: &[&str]) -> Value {
    let task = load(text, overrides, &[]).unwrap_or_else(|error| panic!("{error}"));
    serde_json::to_value(task.settings()).unwrap()
}

/// The notes for the author of the job.
#[track_caller]
pub(crate) fn notes(text: &str, overrides: &[&str]) -> String {
    let folder = TempDir::new().unwrap();
    let task = load_in(&folder, text, overrides, &[]).unwrap_or_else(|error| panic!("{error}"));
    let notes: Vec<String> = task.notes().iter().map(ToString::to_string).collect();
    notes
        .join("\n")
        .replace(&format!("{}/", folder.path().display()), "")
}

/// Checks that the job with these overrides has this value at this key of our own settings.
#[track_caller]
pub(crate) fn check(overrides: &[&str], pointer: &str, expected: &Value) {
    let all = settings(JOB, overrides);
    assert_eq!(
        all.pointer(pointer).unwrap_or(&Value::Null),
        expected,
        "{overrides:?}"
    );
}

#[track_caller]
pub(crate) fn check_note(overrides: &[&str], expected: &str) {
    let notes = notes(JOB, overrides);
    assert!(notes.contains(expected), "{notes}");
}

/// Keys of the dialect are long, so tests write them from `gepa` or below on.
macro_rules! set {
    ($($text:expr),*) => { &[$(concat!("prompt_learning.", $text)),*] };
}

pub(crate) use set;
