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

/// The columns of a row of a plan.
fn planned(plan: &str, row: &str) -> Vec<String> {
    let line = plan.lines().find(|line| line.starts_with(row));
    let columns = line.unwrap_or_default()[row.len()..].split_whitespace();
    columns.map(str::to_owned).collect()
}

#[test]
fn a_budget_that_allows_nothing_is_refused_alike_by_check_plan_and_run_before_a_call() {
    let server = Server::start();
    let workspace = Workspace::with_model(&server.base_url(), 150);
    for limit in [
        "budget.max_reflection_calls=0",
        "budget.max_candidates=0",
        "budget.max_candidates=1",
        "budget.no_improvement_iterations=0",
        "budget.target_score=-1",
        "budget.max_tokens=50",
        "budget.max_cost_usd=0.0000001",
    ] {
        let set = ["--set", limit];
        let key = limit.split('=').next().unwrap();
        for command in [
            &["check", "config.toml"][..],
            &["run", "config.toml", "--plan"],
            &["run", "config.toml"],
        ] {
            let finished = workspace.gepa(&[command, &set].concat());
            assert_eq!(finished.code, Some(4), "{command:?} {limit}");
            let expected = format!("error: `{key}` = ");
            assert!(
                finished.stderr.contains(&expected),
                "{command:?} {limit}: {}",
                finished.stderr
            );
            if command.len() == 3 && finished.stderr.contains("allows no proposal") {
                assert_eq!(planned(&finished.stdout, "proposals"), ["0", "0", "0"]);
                assert_eq!(planned(&finished.stdout, "rollouts"), ["22", "22", "22"]);
            }
        }
    }
    assert_eq!(server.ledger().calls_received, 0);
    let runs = workspace.gepa(&["runs", "--json"]);
    assert_eq!(runs.stdout, "", "nothing is stored");
}

#[test]
fn an_iteration_limit_of_zero_scores_the_seed_alone() {
    let workspace = Workspace::with_rulebook();
    let set = ["--set", "budget.max_iterations=0"];
    let checked = workspace.succeed(&[&["check", "config.toml"][..], &set].concat());
    assert!(checked.contains("allows no proposal"), "{checked}");
    let plan = workspace.succeed(&[&["run", "config.toml", "--plan"][..], &set].concat());
    assert_eq!(planned(&plan, "proposals"), ["0", "0", "0"]);
    workspace.succeed(&[&["run", "config.toml"][..], &set].concat());
    let stats = workspace.stats();
    assert_eq!(stats["iterations"], 0, "{stats}");
    let used = stats["total_rollouts"].to_string();
    assert_eq!(planned(&plan, "rollouts"), [used.as_str(); 3]);
}

#[test]
fn a_run_that_a_limit_ends_before_its_seed_is_scored_is_no_success() {
    let server = Server::start();
    let workspace = Workspace::with_model(&server.base_url(), 150);
    let finished = workspace.gepa(&["run", "config.toml", "--set", "budget.max_seconds=0.0001"]);
    assert_eq!(finished.code, Some(4), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("before its seed was scored"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_plan_of_a_config_that_check_refuses_is_refused_and_large_numbers_stay_apart() {
    let workspace = Workspace::with_rulebook();
    let plan = ["run", "config.toml", "--plan", "--set"];
    let refused = workspace.gepa(&[&plan[..], &["search.epsilon=3"]].concat());
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    let huge = ["budget.max_rollouts=9007199254740993"];
    let large = workspace.succeed(&[&plan[..], &huge].concat());
    let rows: Vec<&str> = large.lines().take(6).collect();
    let widths: Vec<usize> = rows.iter().map(|row| row.chars().count()).collect();
    assert!(widths.iter().all(|width| *width == widths[0]), "{large}");
    assert!(rows[1].contains("  9 007 199 254 740 993"), "{large}");
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
