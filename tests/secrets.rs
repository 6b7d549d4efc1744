//! Sets every key to a marker, and searches for it in all data that a run wrote, printed or sent.

use std::fs;
use std::path::Path;
use std::time::Duration;

use gepa_testing::{Fault, FaultPlan, ModelCall};

use crate::support::{Server, Workspace};

/// The part that all markers share.
const MARK: &str = "m4rked-s3cret";
const KEYS: [&str; 6] = [
    "OPENAI_API_KEY",
    "GROQ_API_KEY",
    "GEMINI_API_KEY",
    "ENVIRONMENT_API_KEY",
    "GEPA_API_KEY",
    "SYNTH_API_KEY",
];

fn marked(server: &Server) -> Workspace {
    let mut workspace = Workspace::with_model(&server.base_url(), 120);
    let config = workspace.read("config.toml");
    let config = config
        .replace("provider = \"local\"", "provider = \"openai\"")
        .replace(&format!("base_url = \"{}\"\n", server.base_url()), "");
    workspace.write("config.toml", &config);
    workspace.set_variable("GEPA_PROVIDER_BASE_URL", &server.base_url());
    workspace.set_variable("GEPA_LOG", "trace");
    for (number, name) in KEYS.into_iter().enumerate() {
        // Half of them come from the file.
        let value = format!("{name}-{MARK}");
        if number % 2 == 0 {
            workspace.set_variable(name, &value);
        } else {
            let known = fs::read_to_string(workspace.path().join(".env")).unwrap_or_default();
            workspace.write(".env", &format!("{known}{name}={value}\n"));
        }
    }
    workspace
}

/// The output of every command.
fn everything_said(workspace: &Workspace) -> String {
    let mut said = String::new();
    let mut ask = |arguments: &[&str]| {
        let finished = workspace.gepa(arguments);
        said.extend([finished.stdout, finished.stderr]);
    };
    ask(&["check", "config.toml"]);
    ask(&["run", "config.toml", "--plan"]);
    for form in ["human", "json"] {
        ask(&["run", "config.toml", "--log", form]);
    }
    ask(&["run", "config.toml", "--set", "policy.temperature=9"]);
    ask(&["run", "--resume", "latest"]);
    for what in [
        "trials",
        "rollouts",
        "candidates",
        "snapshots",
        "events",
        "stats",
    ] {
        ask(&["export", "latest", "--what", what]);
    }
    for command in ["show", "best", "replay", "doctor"] {
        ask(&[command, "latest"]);
    }
    ask(&["doctor"]);
    said
}

#[track_caller]
fn check_files(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            check_files(&path);
        } else if !path.ends_with(".env") {
            let bytes = fs::read(&path).unwrap();
            let found = bytes
                .windows(MARK.len())
                .any(|window| window == MARK.as_bytes());
            assert!(!found, "{} holds a key", path.display());
        }
    }
}

/// Checks that the provider gets only its own key, and only in the header for it.
#[track_caller]
fn check_sent(calls: &[ModelCall]) {
    assert!(!calls.is_empty());
    for call in calls {
        assert!(!call.path.contains(MARK) && !call.body.to_string().contains(MARK));
        for (name, value) in &call.headers {
            let is_its_own =
                name == "authorization" && *value == format!("Bearer OPENAI_API_KEY-{MARK}");
            assert!(is_its_own || !value.contains(MARK), "{name}: {value}");
        }
    }
}

#[track_caller]
fn check_nothing_leaks(faults: FaultPlan) {
    let server = Server::with(faults, Duration::ZERO);
    let workspace = marked(&server);
    let said = everything_said(&workspace);
    let place = said.find(MARK);
    let around = place.map(|at| said[at.saturating_sub(200)..at].to_owned());
    assert_eq!(around, None, "a key was printed after this");
    check_files(workspace.path());
    check_sent(&server.ledger().recent);
}

#[test]
fn no_key_leaves_the_environment_of_a_run_that_works() {
    check_nothing_leaks(FaultPlan::none());
}

#[test]
fn no_key_leaves_the_environment_of_a_run_whose_provider_refuses_and_repeats_it() {
    let refusal = Fault::Status {
        status: 401,
        retry_after: None,
        code: "invalid_api_key".to_owned(),
        message: format!("Incorrect API key provided: OPENAI_API_KEY-{MARK}"),
    };
    check_nothing_leaks(FaultPlan::none().from(0, refusal));
}

#[test]
fn no_key_leaves_the_environment_of_a_run_whose_provider_fails() {
    check_nothing_leaks(FaultPlan::none().from(0, Fault::InvalidJson));
}
