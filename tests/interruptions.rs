//! Runs that are killed or interrupted and then resumed buy no settled rollout twice and come to
//! the same end.

use std::time::Duration;

use gepa_testing::FaultPlan;
use rustix::process::Signal;

use crate::support::{Server, Workspace, number};

const ROLLOUTS: u64 = 180;
const LATENCY: Duration = Duration::from_millis(15);

/// A line for each candidate, without its run and its times.
fn archive(workspace: &Workspace) -> Vec<String> {
    let lines = workspace.export("candidates").into_iter().map(|row| {
        let columns = [
            "iteration",
            "index",
            "parents",
            "status",
            "close_reason",
            "gate",
        ];
        let parts: Vec<String> = columns
            .iter()
            .map(|column| row[column].to_string())
            .collect();
        let scores = [&row["scores"], &row["validation_scores"]];
        format!("{} {scores:?} {}", parts.join(" "), row["candidate_id"])
    });
    lines.collect()
}

fn settled(workspace: &Workspace) -> u64 {
    let events = workspace.export("events");
    let kinds = events.iter().filter_map(|event| event["kind"].as_str());
    kinds
        .filter(|kind| matches!(*kind, "rollout_settled" | "reflection_settled"))
        .count() as u64
}

fn undisturbed() -> Vec<String> {
    let server = Server::start();
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    workspace.succeed(&["run", "config.toml"]);
    archive(&workspace)
}

#[test]
fn a_killed_run_resumes_without_buying_anything_twice_and_ends_the_same() {
    let server = Server::with(FaultPlan::none(), LATENCY);
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    let running = workspace.start(&["run", "config.toml"]);
    let run = running.run.clone();
    server.wait_until(|ledger| ledger.calls_answered > 70);
    running.signal(Signal::KILL);
    assert_eq!(running.wait().code, None);
    server.wait_until(|ledger| ledger.in_flight == 0);
    let shown = workspace.succeed(&["show", "latest"]);
    assert!(shown.contains("it was killed"), "{shown}");

    let settled_before = settled(&workspace);
    let answered_before = server.ledger().calls_answered;
    assert!(settled_before > 0 && settled_before <= answered_before);
    workspace.succeed(&["run", "--resume", &run]);

    let bought_after = server.ledger().calls_answered - answered_before;
    assert_eq!(
        bought_after,
        settled(&workspace) - settled_before,
        "only what was not settled is bought"
    );
    assert_eq!(archive(&workspace), undisturbed());
    workspace.succeed(&["doctor"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_closed_terminal_lets_calls_in_flight_finish_however_often_it_says_so() {
    let server = Server::with(FaultPlan::none(), LATENCY);
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    let running = workspace.start(&["run", "config.toml"]);
    server.wait_until(|ledger| ledger.calls_answered > 40);
    running.signal(Signal::HUP);
    running.signal(Signal::HUP);
    let finished = running.wait();
    assert_eq!(finished.code, Some(130), "{}", finished.stderr);
    let paid = server.ledger().calls_answered;
    assert_eq!(settled(&workspace), paid, "every paid call is settled");
}

#[test]
fn the_first_interrupt_lets_calls_in_flight_finish() {
    let server = Server::with(FaultPlan::none(), LATENCY);
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    let running = workspace.start(&["run", "config.toml"]);
    server.wait_until(|ledger| ledger.calls_answered > 40);
    running.signal(Signal::INT);
    let run = running.run.clone();
    let finished = running.wait();
    assert_eq!(finished.code, Some(130));
    let resume = format!("resume with: gepa run --resume {run}");
    assert!(finished.stderr.contains(&resume), "{}", finished.stderr);
    assert_eq!(
        settled(&workspace),
        server.ledger().calls_answered,
        "every paid call is settled"
    );
    let shown = workspace.succeed(&["show", &run]);
    assert!(
        shown.contains("not run: the run was interrupted before it"),
        "{shown}"
    );

    workspace.succeed(&["run", "--resume", "latest"]);
    let stats = workspace.stats();
    assert_eq!(stats["status"], "succeeded");
    assert_eq!(settled(&workspace), server.ledger().calls_answered);
    assert_eq!(
        number(&stats, "rollouts_prompt_tokens") + number(&stats, "mutation_prompt_tokens"),
        server.ledger().prompt_tokens
    );
    assert_eq!(archive(&workspace), undisturbed());
}

#[test]
fn the_second_interrupt_drops_calls_in_flight() {
    let server = Server::with(FaultPlan::none(), Duration::from_mins(10));
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    let running = workspace.start(&["run", "config.toml", "--set", "policy.timeout_seconds=900"]);
    server.wait_until(|ledger| ledger.in_flight > 0);
    running.signal(Signal::INT);
    // Two signals at once would arrive as one.
    std::thread::sleep(Duration::from_millis(200));
    running.signal(Signal::INT);
    let finished = running.wait();
    assert_eq!(finished.code, Some(130), "{}", finished.stderr);
    assert_eq!(settled(&workspace), 0);
}

#[test]
fn a_finished_run_gives_its_result_again_and_buys_nothing() {
    let server = Server::start();
    let workspace = Workspace::with_model(&server.base_url(), 60);
    workspace.succeed(&["run", "config.toml"]);
    let (stats, calls) = (workspace.stats(), server.ledger().calls_received);
    workspace.succeed(&["run", "--resume", "latest"]);
    assert_eq!(workspace.stats(), stats);
    assert_eq!(server.ledger().calls_received, calls);
}

#[test]
fn a_run_is_not_resumed_under_another_configuration() {
    let workspace = Workspace::with_rulebook();
    workspace.succeed(&["run", "config.toml"]);
    let finished = workspace.gepa(&[
        "run",
        "config.toml",
        "--resume",
        "latest",
        "--set",
        "run.seed=99",
    ]);
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    assert!(
        finished
            .stderr
            .contains("`run.seed` was `7` and is `99`; a run keeps its settings"),
        "{}",
        finished.stderr
    );
}

/// Interrupts a command that scores prompts. Its calls in flight must be answered before it ends.
fn interrupt(workspace: &Workspace, server: &Server, arguments: &[&str], signal: Signal) {
    let before = server.ledger().calls_answered;
    let running = workspace.launch(arguments);
    server.wait_until(|ledger| ledger.calls_answered > before + 4);
    running.signal(signal);
    let finished = running.wait();
    assert_eq!(finished.code, Some(130), "{}", finished.stderr);
    let line = "waiting for the calls in flight";
    assert!(finished.stderr.contains(line), "{}", finished.stderr);
    assert_eq!(server.ledger().in_flight, 0, "a call was dropped");
}

#[test]
fn an_interrupted_evaluation_lets_calls_in_flight_finish_and_buys_none_again() {
    for signal in [Signal::INT, Signal::TERM] {
        let server = Server::with(FaultPlan::none(), 10 * LATENCY);
        let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
        let command = [
            "eval",
            "config.toml",
            "--all",
            "--examples",
            "train",
            "--json",
            "eval.json",
        ];
        interrupt(&workspace, &server, &command, signal);
        assert_eq!(settled(&workspace), server.ledger().calls_answered);
        workspace.succeed(&command);
        let report: serde_json::Value = serde_json::from_str(&workspace.read("eval.json")).unwrap();
        assert_eq!(server.ledger().calls_answered, number(&report, "of"));
    }
}

#[test]
fn an_interrupted_ablation_lets_calls_in_flight_finish() {
    let server = Server::with(FaultPlan::none(), 4 * LATENCY);
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    workspace.succeed(&["run", "config.toml"]);
    let run = workspace.stats()["run_id"].as_str().unwrap().to_owned();
    let command = ["ablate", &run, "--max-rollouts", "400"];
    interrupt(&workspace, &server, &command, Signal::INT);
}
