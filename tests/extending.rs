//! Runs that go on under other limits: killed in the middle, checked, and refused where nothing fits.

use std::time::Duration;

use gepa_testing::FaultPlan;
use rustix::process::Signal;

use crate::support::{Server, Workspace, number};

const LONGER: &str = "budget.max_rollouts=400";

fn events(workspace: &Workspace, kind: &str) -> usize {
    let events = workspace.export("events");
    events.iter().filter(|event| event["kind"] == kind).count()
}

#[test]
fn an_extension_that_was_killed_is_resumed_and_agrees_with_its_journal() {
    let server = Server::with(FaultPlan::none(), Duration::from_millis(10));
    let workspace = Workspace::with_model(&server.base_url(), 120);
    workspace.succeed(&["run", "config.toml"]);
    let first = workspace.stats();
    assert_eq!(first["stop_reason"], "rollout_budget");
    let answered = server.ledger().calls_answered;

    let running = workspace.start(&["run", "--resume", "latest", "--set", LONGER]);
    server.wait_until(|ledger| ledger.calls_answered > answered + 60);
    running.signal(Signal::KILL);
    assert_eq!(running.wait().code, None);
    server.wait_until(|ledger| ledger.in_flight == 0);
    assert!(
        workspace
            .succeed(&["show", "latest"])
            .contains("it was killed")
    );
    workspace.succeed(&["run", "--resume", "latest"]);

    let second = workspace.stats();
    assert_eq!(second["status"], "succeeded");
    assert!(number(&second, "total_rollouts") > 120);
    assert!(number(&second, "total_rollouts") <= 400);
    assert_eq!(events(&workspace, "limits_changed"), 1);
    assert_eq!(events(&workspace, "run_finished"), 2);
    workspace.succeed(&["doctor"]);
    workspace.succeed(&["replay", "latest"]);
    assert_eq!(
        workspace.export("candidates").len() as u64,
        number(&second, "trials_tried")
    );
}

#[test]
fn a_run_that_is_over_says_so_and_how_to_go_on() {
    let workspace = Workspace::with_rulebook();
    workspace.succeed(&["run", "config.toml", "--set", "budget.max_iterations=3"]);
    let again = workspace.gepa(&["run", "--resume", "latest"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    for part in [
        "is over, and nothing is done",
        "all 3 iterations are done",
        "--set budget.max_rollouts=",
    ] {
        assert!(again.stderr.contains(part), "{part}: {}", again.stderr);
    }
    let narrower = workspace.gepa(&[
        "run",
        "--resume",
        "latest",
        "--set",
        "budget.max_rollouts=30",
    ]);
    assert_eq!(narrower.code, Some(2), "{}", narrower.stderr);
    let expected = "`budget.max_rollouts` was 150 and is 30";
    assert!(narrower.stderr.contains(expected), "{}", narrower.stderr);
}

#[test]
fn a_run_keeps_its_model_and_takes_another_address_of_it() {
    let server = Server::start();
    let workspace = Workspace::with_model(&server.base_url(), 60);
    workspace.succeed(&["run", "config.toml"]);
    let calls = server.ledger().calls_received;
    let with = |setting: &str| {
        workspace.gepa(&[
            "run",
            "config.toml",
            "--resume",
            "latest",
            "--set",
            LONGER,
            "--set",
            setting,
        ])
    };
    let other = with("policy.model=other");
    assert_eq!(other.code, Some(2), "{}", other.stderr);
    assert!(
        other.stderr.contains("`policy.model` was `"),
        "{}",
        other.stderr
    );
    assert!(
        other
            .stderr
            .contains("and is `other`; a run keeps its settings"),
        "{}",
        other.stderr
    );
    assert_eq!(server.ledger().calls_received, calls, "nothing is asked");

    let elsewhere = Server::start();
    let moved = with(&format!("policy.base_url={}", elsewhere.base_url()));
    assert_eq!(moved.code, Some(0), "{}", moved.stderr);
    assert!(
        moved.stderr.contains("this process uses the new value"),
        "{}",
        moved.stderr
    );
    assert_eq!(server.ledger().calls_received, calls);
    assert!(elsewhere.ledger().calls_received > 0);
}

#[test]
fn a_branch_that_was_killed_is_resumed_and_buys_nothing_of_the_shared_part() {
    let server = Server::with(FaultPlan::none(), Duration::from_millis(10));
    let workspace = Workspace::with_model(&server.base_url(), 150);
    let origin = workspace.succeed(&["run", "config.toml"]);
    let answered = server.ledger().calls_answered;
    let running = workspace.start(&[
        "branch",
        "latest",
        "--at",
        "3",
        "--set",
        "run.seed=8",
        "--set",
        "budget.max_rollouts=300",
    ]);
    let run = running.run.clone();
    server.wait_until(|ledger| ledger.calls_answered > answered + 40);
    running.signal(Signal::KILL);
    assert_eq!(running.wait().code, None);
    server.wait_until(|ledger| ledger.in_flight == 0);
    workspace.succeed(&["run", "--resume", &run]);
    let stats = workspace.stats();
    assert_eq!(stats["status"], "succeeded");
    let shown = workspace.succeed(&["show", &run]);
    let origin = origin.trim();
    assert!(
        shown.contains(&format!("origin    {origin}, shared up to iteration 3")),
        "{shown}"
    );
    assert!(events(&workspace, "rollout_recalled") > 12);
    assert_eq!(
        events(&workspace, "rollout_settled") as u64,
        number(&stats, "total_rollouts")
    );
    workspace.succeed(&["doctor"]);
    workspace.succeed(&["replay", &run]);

    let other = workspace.gepa(&["branch", &run, "--set", "policy.model=other"]);
    assert_eq!(other.code, Some(2), "{}", other.stderr);
    assert!(
        other.stderr.contains("and is `other`; the scores"),
        "{}",
        other.stderr
    );
}
