//! What is said of runs whose process was killed: how they stand, and what goes on with them.

use std::process::Stdio;
use std::time::Duration;

use gepa_testing::FaultPlan;
use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Server, Workspace};

fn killed(workspace: &Workspace) -> Vec<Value> {
    let text = workspace.succeed(&["runs", "--json", "--status", "killed"]);
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_killed_evaluation_is_not_told_to_be_resumed_as_a_run() {
    let server = Server::with(FaultPlan::none(), Duration::from_millis(500));
    let workspace = Workspace::with_model(&server.base_url(), 150);
    let mut command = workspace.command(&["eval", "config.toml", "--all"]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    server.wait_until(|ledger| ledger.calls_received > 2);
    child.kill().unwrap();
    child.wait().unwrap();
    let listed = killed(&workspace);
    assert_eq!(listed.len(), 1);
    let run = listed[0]["run_id"].as_str().unwrap();
    let shown = workspace.succeed(&["show", run]);
    let status = shown.lines().find(|line| line.starts_with("status"));
    assert!(
        status.unwrap().contains("repeat the `gepa eval`"),
        "{shown}"
    );
    assert!(!shown.contains("run --resume"), "{shown}");
    workspace.succeed(&["eval", "config.toml", "--all"]);
}

#[test]
fn a_run_that_was_killed_before_its_first_entry_waits_for_no_server() {
    let workspace = Workspace::with_rulebook();
    workspace.succeed(&["run", "config.toml"]);
    let database = Connection::open(workspace.path().join(".gepa/gepa.db")).unwrap();
    database.execute("DELETE FROM events", []).unwrap();
    drop(database);
    workspace.gepa(&["doctor", "--repair"]);
    let listed = killed(&workspace);
    assert_eq!(listed.len(), 1, "{listed:?}");
    let run = listed[0]["run_id"].as_str().unwrap();
    assert_eq!(listed[0]["status"], "queued");
    let queued = workspace.succeed(&["runs", "--json", "--status", "queued"]);
    assert_eq!(queued, "");
    let shown = workspace.succeed(&["show", run]);
    let wanted = format!("killed before its first entry; resume with `gepa run --resume {run}`");
    assert!(shown.contains(&wanted), "{shown}");
    workspace.succeed(&["run", "--resume", run]);
    assert!(killed(&workspace).is_empty());
}
