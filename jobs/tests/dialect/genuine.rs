//! Checks what becomes of job files of the real client, if they are available.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use gepa_configs::{ConfigSource, SubmittedConfig, TaskConfig};
use gepa_models::Environment;
use gepa_testing::optional_data;
use serde_json::Value;

/// A file or folder of the client. If it is missing, prints that and returns `None`.
fn shared(part: &str) -> Option<PathBuf> {
    optional_data("SHARED_SYNTH", "synth", part)
}

fn environment() -> Environment {
    Environment::of([("ENVIRONMENT_API_KEY", "k")])
}

#[test]
fn every_file_of_the_client_gets_the_verdict_on_record() {
    let Some(folder) = shared("configs") else {
        return;
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let verdicts: String = files.iter().map(|file| verdict(file)).collect();
    let record = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialect/verdicts.txt");
    if std::env::var_os("UPDATE_VERDICTS").is_some() {
        std::fs::write(&record, &verdicts).unwrap();
    }
    let recorded = std::fs::read_to_string(&record).unwrap();
    assert_eq!(
        verdicts, recorded,
        "record them anew with UPDATE_VERDICTS=1 if this is meant"
    );
}

fn verdict(file: &Path) -> String {
    let environment = environment();
    let source = ConfigSource {
        file,
        environment: &environment,
        overrides: &[],
        dialects: gepa_jobs::DIALECTS,
    };
    let name = file.file_name().unwrap().to_string_lossy();
    let folder = format!("{}/", file.parent().unwrap().display());
    let mut text = format!("{name}\n");
    match source.load() {
        Ok(task) => write_figures(&mut text, &task),
        Err(error) => {
            for line in error.to_string().lines() {
                writeln!(text, "  refused  {}", line.replace(&folder, "")).unwrap();
            }
        }
    }
    text
}

fn write_figures(text: &mut String, task: &TaskConfig) {
    let (sets, settings) = (task.config.sets(), task.config.settings());
    let budget = &settings.budget;
    let (provider, model) = task.policy().unwrap();
    writeln!(
        text,
        "  resolves  {} train, {} pareto, {} validation x{}; minibatch {}; {:?} rollouts (least {}), {:?} iterations; \
         {} components; {model} of {provider}; {} notes",
        sets.train.len(),
        sets.pareto.len(),
        sets.validation.len(),
        settings.validation.top_k,
        settings.search.minibatch_size,
        budget.max_rollouts.unwrap_or_default(),
        task.config.floor_rollouts(),
        budget.max_iterations.unwrap_or_default(),
        task.config.seed().components().len(),
        task.notes().len(),
    )
    .unwrap();
}

#[test]
fn the_body_the_client_sends_is_the_file_it_was_made_from() {
    let Some(file) = shared("captures/create_job_request.json") else {
        return;
    };
    let request: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let environment = environment();
    let overrides = request["overrides"].as_object().unwrap();
    let config = SubmittedConfig {
        body: &request["config_body"],
        overrides,
        environment: &environment,
        dialects: gepa_jobs::DIALECTS,
    };
    let task = config.load().unwrap();
    assert_eq!(task.config.settings().budget.max_rollouts, Some(44));
    assert!(task.config.floor_rollouts() <= 44);
    assert_eq!(task.policy(), Some(("groq", "llama-3.1-8b-instant")));
    assert_eq!(task.settings().search.archive_max_size, Some(10));
    assert_eq!(
        task.settings().reflection.max_text_chars,
        20_000,
        "the limit is not enforced"
    );
    assert!(task.task_app_key().is_some());
    assert!(!task.config_body().to_string().contains("test-env-key"));
}
