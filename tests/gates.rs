//! `gepa gate`: the decision, its exit code and its files, in the words of the verdict.

use serde_json::Value;

use crate::support::{Server, Workspace};

/// A run whose best prompt is clearly better.
fn finished_run() -> (Workspace, Server) {
    let server = Server::start();
    let workspace = Workspace::with_model(&server.base_url(), 150);
    workspace.succeed(&["run", "config.toml"]);
    (workspace, server)
}

#[test]
fn the_verdict_has_the_same_words_everywhere() {
    let (workspace, _server) = finished_run();
    let stats = workspace.stats();
    let sentence = stats["verdict_sentence"].as_str().unwrap();
    let shown = workspace.succeed(&["show", "latest"]);
    assert!(
        shown
            .lines()
            .any(|line| line == format!("verdict   {sentence}")),
        "{sentence}\n{shown}"
    );
    workspace.gepa(&["gate", "latest", "--json", "gate.json"]);
    let report: Value = serde_json::from_str(&workspace.read("gate.json")).unwrap();
    assert_eq!(report["gate"]["verdict"]["sentence"], sentence);
    assert_eq!(report["gate"]["verdict"], stats["verdict_details"]);
}

#[test]
fn the_exit_code_says_whether_the_gain_is_shown() {
    let (workspace, _server) = finished_run();
    let stats = workspace.stats();
    let difference = &stats["verdict_details"]["evidence"]["comparison"]["difference"];
    let (low, high) = (
        difference["low"].as_f64().unwrap(),
        difference["high"].as_f64().unwrap(),
    );
    for (gain, code) in [(low - 0.01, 0), (low + 0.001, 7), (high + 0.01, 7)] {
        let option = format!("--min-gain={gain}");
        let finished = workspace.gepa(&["gate", "latest", &option]);
        assert_eq!(finished.code, Some(code), "{gain}: {}", finished.stdout);
    }
    let refused = workspace.gepa(&["gate", "latest", "--confidence", "95"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("for example 0.95"),
        "{}",
        refused.stderr
    );
}

#[test]
fn the_report_names_the_journal_it_rests_on() {
    let (workspace, _server) = finished_run();
    let files = [
        "--json",
        "gate.json",
        "--junit",
        "gate.xml",
        "--markdown",
        "gate.md",
    ];
    workspace.gepa(&[&["gate", "latest"], &files[..]].concat());
    let report: Value = serde_json::from_str(&workspace.read("gate.json")).unwrap();
    let events = workspace.succeed(&["export", "latest", "--what", "events"]);
    let hash = blake3::hash(events.as_bytes()).to_hex();
    assert_eq!(report["journal_blake3"], hash.as_str());
    let sentence = report["gate"]["sentence"].as_str().unwrap();
    assert!(workspace.read("gate.xml").contains("tests=\"1\""));
    assert!(workspace.read("gate.md").starts_with("### gepa gate: "));
    assert!(sentence.contains("examples"), "{sentence}");
}

#[test]
fn named_examples_and_slices_are_found_in_the_data_set() {
    let (workspace, _server) = finished_run();
    let rows = workspace.export("rollouts");
    let held_out = rows
        .iter()
        .find(|row| row["phase"] == "validation")
        .unwrap();
    let id = held_out["seed"].as_str().unwrap();
    let slices = [
        "gate",
        "latest",
        "--json",
        "gate.json",
        "--per-slice",
        "age",
        "--no-regress",
        id,
    ];
    workspace.gepa(&slices);
    let report: Value = serde_json::from_str(&workspace.read("gate.json")).unwrap();
    assert_eq!(report["gate"]["named"][0]["example"], id);
    let age = id.trim_start_matches("age-");
    let names: Vec<&str> = report["gate"]["slices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|slice| slice["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&format!("age={age}").as_str()), "{names:?}");
    let unknown = workspace.gepa(&["gate", "latest", "--per-slice", "colour"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("no example has a column `colour`"));
}
