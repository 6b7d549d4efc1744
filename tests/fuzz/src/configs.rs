//! Fuzzes configs, from files and over HTTP. No config may cause a panic or a message with a key.

use std::path::PathBuf;
use std::sync::OnceLock;

use gepa_configs::{ConfigSource, SubmittedConfig, TaskConfig};
use gepa_models::Environment;
use serde_json::{Map, Value};

const SECRET: &str = "m4rked-s3cret";

fn environment() -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let keys = ["ENVIRONMENT_API_KEY", "GROQ_API_KEY", "OPENAI_API_KEY"];
        Environment::of(keys.map(|name| (name, SECRET)))
    })
}

/// The config file of this process, in memory if the system has a folder there.
fn config_file() -> &'static PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() {
            memory
        } else {
            std::env::temp_dir()
        };
        let folder = folder.join(format!("gepa-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the config");
        folder.join("config.toml")
    })
}

pub(crate) fn file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // These keys make the program read other files, so random values are not allowed.
    if ["path", "_file", "spec"]
        .iter()
        .any(|key| text.contains(key))
    {
        return;
    }
    let file = config_file();
    std::fs::write(file, text).expect("the config can be written");
    let source = ConfigSource {
        file,
        environment: environment(),
        overrides: &[], dialects: gepa_jobs::DIALECTS };
    match source.load() {
        Ok(task) => check(&task),
        Err(error) => check_message(&error.to_string()),
    }
}

pub(crate) fn submission(data: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let none = Map::new();
    let overrides = body.get("overrides").and_then(Value::as_object);
    let submitted = SubmittedConfig {
        body: body.get("config_body").unwrap_or(&body),
        overrides: overrides.unwrap_or(&none),
        environment: environment(), dialects: gepa_jobs::DIALECTS };
    match submitted.load() {
        Ok(task) => {
            check(&task);
            let source = ConfigSource {
                file: std::path::Path::new(""),
                environment: environment(),
                overrides: &[], dialects: gepa_jobs::DIALECTS };
            let again = source.load_stored(&task.described);
            let again = again.expect("what was stored of a submission can be loaded again");
            assert_eq!(again.config_body(), task.config_body());
        }
        Err(error) => check_message(&error.to_string()),
    }
}

fn check(task: &TaskConfig) {
    for note in task.notes() {
        check_message(&note.to_string());
    }
    check_message(&task.described.to_string());
    check_message(&task.config_body().to_string());
}

fn check_message(message: &str) {
    assert!(!message.contains(SECRET), "a key in: {message}");
}
