//! `gepa runs`: runs that are labelled, listed, archived and deleted.

use serde_json::Value;

use crate::support::{Server, Workspace};
use gepa_testing::FaultPlan;
use rustix::process::Signal;
use std::time::Duration;

fn listed(workspace: &Workspace, arguments: &[&str]) -> Vec<Value> {
    let text = workspace.succeed(&[&["runs", "--json"], arguments].concat());
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn names(workspace: &Workspace, arguments: &[&str]) -> Vec<String> {
    let runs = listed(workspace, arguments).into_iter();
    runs.map(|run| run["name"].as_str().unwrap().to_owned())
        .collect()
}

fn run(workspace: &Workspace, name: &str) -> String {
    let name = format!("run.name={name}");
    let text = workspace.succeed(&["run", "config.toml", "--set", &name]);
    text.lines().next().unwrap().to_owned()
}

#[test]
fn runs_are_found_by_what_people_wrote_beside_them() {
    let workspace = Workspace::with_rulebook();
    let first = run(&workspace, "one");
    let second = run(&workspace, "two");
    assert_eq!(names(&workspace, &[]), ["two", "one"]);
    workspace.succeed(&["runs", "tag", &first, "keep", "good"]);
    workspace.succeed(&["runs", "tag", &first, "--remove", "good"]);
    workspace.succeed(&["runs", "note", &first, "the one to ship"]);
    workspace.succeed(&["runs", "rename", &second, "Zwei"]);
    assert_eq!(
        workspace.succeed(&["runs", "note", &first]),
        "the one to ship\n"
    );
    for (conditions, expected) in [
        (&["--tag", "keep"][..], &["one"][..]),
        (&["--tag", "good"], &[]),
        (&["--search", "SHIP"], &["one"]),
        (&["--search", "zwei"], &["Zwei"]),
        (&["--name", "Zwei"], &["Zwei"]),
        (&["--status", "succeeded", "--last", "1"], &["Zwei"]),
        (&["--status", "failed"], &[]),
    ] {
        assert_eq!(names(&workspace, conditions), expected, "{conditions:?}");
    }
    workspace.succeed(&["runs", "archive", &first]);
    assert_eq!(names(&workspace, &[]), ["Zwei"]);
    assert_eq!(names(&workspace, &["--all"]), ["Zwei", "one"]);
    workspace.succeed(&["runs", "archive", &first, "--undo"]);
    assert_eq!(names(&workspace, &[]), ["Zwei", "one"]);
    // The configuration, replay and the check of the store do not know labels.
    workspace.succeed(&["replay", &second]);
    workspace.succeed(&["doctor"]);
    let refused = workspace.gepa(&["runs", "tag", &first, "two words"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    let short = listed(&workspace, &["--name", "one"])[0]["short"].clone();
    let by_short = workspace.succeed(&["runs", "note", short.as_str().unwrap()]);
    assert_eq!(by_short, "the one to ship\n");
}

#[test]
fn deleting_asks_first_keeps_origins_of_branches_and_gives_space_back() {
    let workspace = Workspace::with_rulebook();
    let origin = run(&workspace, "origin");
    let other = run(&workspace, "other");
    let branch = workspace.succeed(&["branch", &origin, "--at", "2"]);
    let branch = branch.lines().next().unwrap().to_owned();
    let unasked = workspace.gepa(&["runs", "delete", &other]);
    assert_eq!(unasked.code, Some(2));
    assert!(unasked.stderr.contains("add `--yes`"), "{}", unasked.stderr);
    let needed = workspace.gepa(&["runs", "delete", &origin, "--yes"]);
    assert_eq!(needed.code, Some(1));
    assert!(needed.stderr.contains(&branch), "{}", needed.stderr);
    assert_eq!(listed(&workspace, &[]).len(), 3);
    let best = workspace.succeed(&["best", &other]);
    let size = || {
        let file = workspace.path().join(".gepa/gepa.db");
        std::fs::metadata(file).unwrap().len()
    };
    workspace.succeed(&["runs", "compact"]);
    let before = size();
    let text = workspace.succeed(&["runs", "delete", &origin, &branch, "--yes", "--compact"]);
    assert!(text.contains("2 runs deleted"), "{text}");
    assert!(size() < before, "{before} {}", size());
    assert_eq!(workspace.succeed(&["best", &other]), best);
    workspace.succeed(&["doctor"]);
    workspace.succeed(&["runs", "tag", &other, "kept"]);
    workspace.succeed(&["runs", "prune", "--older", "0m", "--yes"]);
    assert_eq!(listed(&workspace, &[]).len(), 1, "a run with a tag stays");
    let young = workspace.succeed(&["runs", "prune", "--older", "1d", "--tag", "kept", "--yes"]);
    assert_eq!(young, "");
    let prune = ["runs", "prune", "--older", "0m", "--tag", "kept"];
    let dry = workspace.succeed(&[&prune[..], &["--dry-run"]].concat());
    assert!(dry.contains(&other), "{dry}");
    let told = |text: &str, before: &str| {
        let after = text.split_once(before).map(|(_, after)| after.trim());
        size_of(after.unwrap_or_else(|| panic!("no `{before}` in {text}")))
    };
    let expected = told(&dry, "1 run in all: about");
    let pruned = workspace.succeed(&[&prune[..], &["--yes"]].concat());
    let freed = told(&pruned, &format!("deleted {other}:"));
    assert!(
        (0.6..1.6).contains(&(expected / freed)),
        "{expected} bytes were announced, {freed} freed"
    );
    assert_eq!(listed(&workspace, &["--all"]), Vec::<Value>::new());
}

#[test]
fn a_run_that_a_process_works_on_is_labelled_but_not_deleted() {
    let server = Server::with(FaultPlan::none(), Duration::from_millis(10));
    let workspace = Workspace::with_model(&server.base_url(), 100_000);
    let running = workspace.start(&["run", "config.toml"]);
    server.wait_until(|ledger| ledger.calls_answered > 60);
    workspace.succeed(&["runs", "tag", &running.run, "live"]);
    let refused = workspace.gepa(&["runs", "delete", &running.run, "--yes"]);
    assert_eq!(refused.code, Some(1));
    let process = format!("process {}", running.id());
    assert!(refused.stderr.contains(&process), "{}", refused.stderr);
    assert_eq!(workspace.gepa(&["runs", "compact"]).code, Some(1));
    assert_eq!(
        names(&workspace, &["--status", "running", "--tag", "live"]).len(),
        1
    );
    let run = running.run.clone();
    running.signal(Signal::KILL);
    running.wait();
    assert_eq!(names(&workspace, &["--status", "killed"]).len(), 1);
    workspace.succeed(&["doctor"]);
    workspace.succeed(&["runs", "delete", &run, "--yes"]);
    assert_eq!(listed(&workspace, &[]), Vec::<Value>::new());
}

/// The bytes of a size as it is printed.
fn size_of(text: &str) -> f64 {
    let mut words = text.split_whitespace();
    let number: f64 = words.next().unwrap().parse().unwrap();
    match words.next().unwrap() {
        "bytes" => number,
        "KiB" => number * 1024.0,
        "MiB" => number * 1024.0 * 1024.0,
        other => panic!("{other} in {text}"),
    }
}
