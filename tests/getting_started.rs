//! What a new user runs first: `gepa` alone, `gepa init`, `gepa --version`, completions, man pages.

use std::collections::BTreeMap;
use std::fs;

use crate::support::{Workspace, number};

/// An empty folder, with the programs of this machine.
fn empty() -> Workspace {
    let mut workspace = Workspace::new();
    fs::remove_file(workspace.path().join("rows.jsonl")).unwrap();
    workspace.set_variable("PATH", &std::env::var("PATH").unwrap());
    workspace
}

fn run_what_init_writes(task: &str, language: &str) {
    let workspace = empty();
    let arguments = ["init", "--task", task, "--language", language];
    let written = workspace.succeed(&arguments);
    for name in written.lines() {
        assert!(workspace.path().join(name).is_file(), "{name}");
    }
    assert!(written.contains("config.toml"), "{written}");
    let checked = workspace.gepa(&["check", "config.toml", "--try"]);
    assert_eq!(
        checked.code,
        Some(0),
        "{}{}",
        checked.stdout,
        checked.stderr
    );
    assert!(!checked.stderr.contains("warning"), "{}", checked.stderr);
    let mut run = vec!["run", "config.toml"];
    if language == "shell" {
        // A shell starts several processes for each example.
        run.extend(["--set", "budget.max_rollouts=600"]);
    }
    workspace.succeed(&run);
    let statistics = workspace.stats();
    assert_eq!(number(&statistics, "failed_rollouts"), 0, "{statistics}");
    let (seed, best) = held_out(&statistics);
    assert!(best > seed + 0.1, "{seed} to {best}: {statistics}");
}

/// Mean held-out scores of the seed and of the best candidate.
fn held_out(statistics: &serde_json::Value) -> (f64, f64) {
    let score = |name: &str| statistics[name].as_f64().unwrap();
    (
        score("baseline_validation_score"),
        score("best_validation_score"),
    )
}

#[test]
fn what_init_writes_in_python_runs_offline_and_improves() {
    for task in ["classify", "program", "text"] {
        run_what_init_writes(task, "python");
    }
}

#[test]
fn what_init_writes_in_node_runs_offline_and_improves() {
    let found = std::process::Command::new("node").arg("--version").output();
    if found.is_err() {
        eprintln!("SKIPPED: there is no node on this machine");
        return;
    }
    for task in ["classify", "program", "text"] {
        run_what_init_writes(task, "node");
    }
}

#[test]
fn what_init_writes_in_shell_runs_offline_and_improves() {
    for task in ["classify", "program", "text"] {
        run_what_init_writes(task, "shell");
    }
}

#[test]
fn the_languages_of_a_task_evaluate_alike() {
    let node = std::process::Command::new("node").arg("--version").output();
    let mut languages = vec!["python", "shell"];
    if node.is_ok() {
        languages.push("node");
    }
    for task in ["classify", "program", "text"] {
        let baselines: Vec<f64> = languages
            .iter()
            .map(|language| {
                let workspace = empty();
                workspace.succeed(&["init", "--task", task, "--language", language]);
                workspace.succeed(&["eval", "config.toml"]);
                workspace
                    .export("rollouts")
                    .iter()
                    .map(|row| row["score"].as_f64().unwrap())
                    .sum()
            })
            .collect();
        for other in &baselines[1..] {
            assert!((other - baselines[0]).abs() < 0.1, "{task}: {baselines:?}");
        }
    }
}

#[test]
fn init_overwrites_nothing() {
    let workspace = empty();
    workspace.write("config.toml", "mine");
    let refused = workspace.gepa(&["init"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("`./config.toml` is there already"),
        "{}",
        refused.stderr
    );
    assert_eq!(workspace.read("config.toml"), "mine");
    assert_eq!(fs::read_dir(workspace.path()).unwrap().count(), 1);
    let written = workspace.succeed(&["init", "below/here"]);
    assert!(written.contains("below/here/config.toml"), "{written}");
    let again = workspace.gepa(&["init", "below/here"]);
    assert_eq!(again.code, Some(2), "{}", again.stderr);
}

#[test]
fn init_without_a_terminal_asks_nothing_and_says_what_it_took() {
    let workspace = empty();
    let finished = workspace.gepa(&["init"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(
        finished
            .stderr
            .contains("--task is not given; classify is taken"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stderr.contains("OPENAI_API_KEY"),
        "{}",
        finished.stderr
    );
    assert!(
        workspace
            .read("config.toml")
            .starts_with("#:schema ./gepa.schema.json\n")
    );
}

#[test]
fn gepa_alone_says_how_to_start() {
    let alone = empty().gepa(&[]);
    assert_eq!(alone.code, Some(2));
    assert!(alone.stderr.contains("gepa init"), "{}", alone.stderr);
    assert_eq!(alone.stdout, "");
}

#[test]
fn the_long_version_names_commit_and_features() {
    let workspace = empty();
    let long = workspace.succeed(&["--version"]);
    let lines: BTreeMap<&str, &str> = long
        .lines()
        .filter_map(|line| line.split_once(": "))
        .collect();
    assert!(lines["features"].contains("queue"), "{long}");
    assert!(!lines["commit"].is_empty(), "{long}");
    assert_eq!(workspace.succeed(&["-V"]).lines().count(), 1);
}

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    let workspace = empty();
    for shell in ["bash", "zsh", "fish"] {
        let script = workspace.succeed(&["completions", shell]);
        for name in ["init", "steer", "completions"] {
            assert!(script.contains(name), "{shell} does not know {name}");
        }
    }
    workspace.write("gepa.bash", &workspace.succeed(&["completions", "bash"]));
    let script = "source gepa.bash; COMP_WORDS=(gepa comp); COMP_CWORD=1; _gepa gepa comp gepa; echo ${COMPREPLY[@]}";
    let mut bash = std::process::Command::new("bash");
    let completed = bash
        .args(["-c", script])
        .current_dir(workspace.path())
        .output()
        .unwrap();
    let completed = String::from_utf8(completed.stdout).unwrap();
    assert_eq!(completed.trim(), "compare completions");
}

#[test]
fn there_is_a_man_page_for_each_command() {
    let workspace = empty();
    workspace.succeed(&["man", "pages"]);
    let page = workspace.read("pages/gepa-init.1");
    assert!(page.contains(".TH"), "{page}");
    assert!(workspace.read("pages/gepa.1").contains("gepa\\-init"));
    assert!(workspace.path().join("pages/gepa-store-copy.1").is_file());
}
