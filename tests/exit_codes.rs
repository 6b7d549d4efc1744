//! Each way to end has an exit code and a message that says what to do next.

use std::net::TcpListener;
use std::time::Duration;

use gepa_testing::{Fault, FaultPlan};

use crate::support::{Server, Workspace};

#[test]
fn a_budget_below_one_proposal_is_refused_with_the_numbers() {
    let workspace = Workspace::with_rulebook();
    let small = ["--set", "budget.max_rollouts=20"];
    let expected = "error: a budget of 20 rollouts cannot afford one proposal: 56 are the least \
        (12 to score the seed, 24 for one proposal, 20 for the final validation); \
        raise `budget.max_rollouts`, lower `validation.top_k`, or shrink the example sets\n";
    for command in [
        &["run", "config.toml", "--plan"][..],
        &["run", "config.toml"],
        &["check", "config.toml"],
    ] {
        let finished = workspace.gepa(&[command, &small].concat());
        assert_eq!(finished.code, Some(4), "{command:?}");
        assert_eq!(finished.stderr, expected, "{command:?}");
    }
    let plan = workspace.succeed(&["run", "config.toml", "--plan"]);
    assert!(plan.starts_with(&format!(
        "{:<22}{:>16}{:>16}{:>16}\n",
        "", "one proposal", "expected", "at most"
    )));
    assert!(
        plan.contains("rollouts                            56"),
        "{plan}"
    );
}

#[test]
fn a_plan_validates_no_more_candidates_than_proposals_can_give() {
    let workspace = Workspace::with_rulebook();
    let set = [
        "run",
        "config.toml",
        "--plan",
        "--set",
        "validation.top_k=3",
        "--set",
        "budget.max_iterations=1",
    ];
    let plan = workspace.succeed(&set);
    let line = format!(
        "{:<22}{:>16}{:>16}{:>16}\n",
        "  of them validation", 20, 20, 40
    );
    assert!(plan.contains(&line), "{plan}");
}

#[test]
fn a_plan_creates_nothing() {
    let workspace = Workspace::with_rulebook();
    workspace.succeed(&["run", "config.toml", "--plan"]);
    assert!(!workspace.path().join(".gepa").exists());
}

#[test]
fn an_evaluator_that_always_fails_ends_the_run_with_five() {
    let faults = FaultPlan::none().from(0, Fault::status(400));
    let server = Server::with(faults, Duration::ZERO);
    let workspace = Workspace::with_model(&server.base_url(), 200);
    let finished = workspace.gepa(&["run", "config.toml"]);
    assert_eq!(finished.code, Some(5), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("too many evaluator failures"),
        "{}",
        finished.stderr
    );
    let shown = workspace.succeed(&["show", "latest"]);
    assert!(shown.contains("status    failed"), "{shown}");
    assert!(!shown.contains("N/A"));
    let best = workspace.gepa(&["best", "latest"]);
    assert_eq!(best.code, Some(1));
    assert!(
        best.stderr.contains("not even the seed has a pareto score"),
        "{}",
        best.stderr
    );
}

#[test]
fn a_provider_that_is_down_ends_the_process_with_six_and_the_run_goes_on_later() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut workspace = Workspace::with_model(&format!("http://{address}/v1"), 60);
    let outage = ["--set", "providers.local.outage_seconds=0.5"];
    let finished = workspace.gepa(&[&["run", "config.toml"][..], &outage].concat());
    assert_eq!(finished.code, Some(6), "{}", finished.stderr);
    let run = finished.stdout.trim().to_owned();
    assert!(
        finished
            .stderr
            .contains(&format!("gepa run --resume {run}")),
        "{}",
        finished.stderr
    );
    let server = Server::start();
    workspace.set_variable("GEPA_PROVIDER_BASE_URL", &server.base_url());
    workspace.succeed(&["run", "--resume", &run]);
    assert!(
        server.ledger().calls_answered > 0,
        "the override wins over the config"
    );
    assert_eq!(workspace.stats()["status"], "succeeded");
}

#[test]
fn what_is_not_there_is_answered_with_what_is() {
    let workspace = Workspace::with_rulebook();
    let no_store = workspace.gepa(&["show", "latest"]);
    assert_eq!(no_store.code, Some(1));
    assert_eq!(no_store.stdout, "");
    workspace.succeed(&["run", "config.toml", "--set", "budget.max_rollouts=60"]);
    let no_run = workspace.gepa(&["show", "pl_ffff"]);
    assert_eq!(no_run.code, Some(2));
    assert_eq!(
        no_run.stderr,
        "error: no run is called `pl_ffff`; `gepa runs` lists all runs\n"
    );
    let no_candidate = workspace.gepa(&["diff", "latest", "baseline", "999"]);
    assert_eq!(no_candidate.code, Some(2));
    assert!(
        no_candidate.stderr.contains("no candidate is called `999`"),
        "{}",
        no_candidate.stderr
    );
    assert_eq!(workspace.gepa(&["run"]).code, Some(2));
}
