//! Every figure is equal in all places, and equal to the provider's own books.

use std::time::Duration;

use gepa_testing::{Fault, FaultPlan, Ledger, RetryAfter};
use serde_json::Value;

use crate::support::{Server, Workspace, number, sum};

/// Checks that counters are the sums over the exported rows, for a run that has ended or not.
#[track_caller]
pub(crate) fn check_rows(workspace: &Workspace) -> Value {
    let stats = workspace.stats();
    let rollouts = workspace.export("rollouts");
    let trials = workspace.export("trials");
    assert_eq!(rollouts.len() as u64, number(&stats, "total_rollouts"));
    let columns = [
        ("prompt_tokens", "rollouts_prompt_tokens"),
        ("completion_tokens", "rollouts_completion_tokens"),
        ("unknown_tokens", "rollouts_unknown_tokens"),
    ];
    for (column, counter) in columns {
        assert_eq!(
            sum(&rollouts, column),
            number(&stats, counter),
            "rollouts' {column}"
        );
        assert_eq!(
            sum(&trials, column),
            number(&stats, counter),
            "trials' {column}"
        );
    }
    for (phase, counter) in [
        ("optimization", "optimization_rollouts_executed"),
        ("validation", "validation_rollouts_executed"),
    ] {
        let of_phase = rollouts.iter().filter(|row| row["phase"] == phase).count() as u64;
        assert_eq!(of_phase, number(&stats, counter), "{counter}");
    }
    let mutations: u64 = ["prompt", "completion", "unknown"]
        .iter()
        .map(|kind| number(&stats, &format!("mutation_{kind}_tokens")))
        .sum();
    assert_eq!(
        sum(&rollouts, "tokens") + mutations,
        number(&stats, "total_tokens")
    );
    check_cost(&stats, &rollouts);
    stats
}

/// Checks that counters, exported rows, the last snapshot and the output of `show` agree.
#[track_caller]
pub(crate) fn check_agreement(workspace: &Workspace) -> Value {
    let stats = check_rows(workspace);
    let snapshot = workspace.export("snapshots").pop().unwrap();
    let shown = workspace.succeed(&["show", "latest"]);
    assert!(!shown.contains("N/A"), "{shown}");
    for (name, value) in stats.as_object().unwrap() {
        let is_counter = snapshot["payload"].get(name).is_some_and(Value::is_u64);
        if !is_counter {
            continue;
        }
        assert_eq!(
            &snapshot["payload"][name], value,
            "the last snapshot's {name}"
        );
        assert_eq!(
            shown_counter(&shown, name),
            value.as_u64(),
            "{name} in `show`"
        );
    }
    assert_eq!(snapshot["payload"]["best_score"], stats["best_score"]);
    stats
}

fn check_cost(stats: &Value, rollouts: &[Value]) {
    let reflections: f64 = stats["usage"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|share| share["purpose"] == "reflection")
        .filter_map(|share| share["usage"]["cost"].as_f64())
        .sum();
    let paid: f64 = rollouts
        .iter()
        .filter_map(|row| row["cost_usd"].as_f64())
        .sum();
    let total = stats["total_cost_usd"].as_f64().unwrap();
    assert!(
        (paid + reflections / 1e6 - total).abs() < 1e-9,
        "{paid} and {reflections} make {total}"
    );
}

fn shown_counter(shown: &str, name: &str) -> Option<u64> {
    let line = shown
        .lines()
        .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(' '))?;
    line.replace(' ', "").parse().ok()
}

#[track_caller]
fn check_against_books(stats: &Value, ledger: &Ledger) {
    let tokens = |kind: &str| {
        number(stats, &format!("rollouts_{kind}_tokens"))
            + number(stats, &format!("mutation_{kind}_tokens"))
    };
    assert_eq!(tokens("prompt"), ledger.prompt_tokens);
    assert_eq!(tokens("completion"), ledger.completion_tokens);
}

#[test]
fn every_figure_is_the_same_everywhere_and_in_the_providers_books() {
    let server = Server::start();
    let workspace = Workspace::with_model(&server.base_url(), 150);
    workspace.succeed(&["run", "config.toml"]);
    let stats = check_agreement(&workspace);
    let ledger = server.ledger();
    check_against_books(&stats, &ledger);
    let calls = number(&stats, "total_rollouts") + number(&stats, "reflection_calls");
    assert_eq!(calls, ledger.calls_answered);
    assert_eq!(number(&stats, "failed_rollouts"), 0);
    assert!(stats["total_cost_usd"].as_f64().unwrap() > 0.0);
    assert!(stats["best_score"].as_f64() > stats["baseline_score"].as_f64());
    assert!(stats["best_validation_score"].as_f64() > stats["baseline_validation_score"].as_f64());
    assert_eq!(stats["policy_model"], "learner");
    assert_eq!(stats["policy_provider"], "local");
    assert_eq!(stats["stop_reason"], "rollout_budget");
}

#[test]
fn a_provider_that_fails_one_call_in_five_leaves_the_books_right() {
    let faults = FaultPlan::none()
        .with_probability(5, 0.08, Fault::status(429))
        .with_probability(5, 0.08, Fault::status(500))
        .with_probability(5, 0.04, Fault::StalledBody);
    let server = Server::with(faults, Duration::ZERO);
    let workspace = Workspace::with_model(&server.base_url(), 70);
    workspace.succeed(&["run", "config.toml"]);
    let stats = check_agreement(&workspace);
    let ledger = server.ledger();
    assert!(
        ledger.calls_received > ledger.calls_answered,
        "some calls did fail"
    );
    check_against_books(&stats, &ledger);
    for row in workspace.export("rollouts") {
        let is_scored = row["outcome"] == "scored";
        assert_eq!(row["score"].is_null(), !is_scored, "{row}");
        assert_eq!(row["error"].is_null(), is_scored, "{row}");
    }
    workspace.succeed(&["doctor"]);
}

#[test]
fn every_fault_at_once_before_256_slots_leaves_the_books_right() {
    let pause = Fault::status_with_retry_after(429, RetryAfter::Seconds(1));
    let faults = [
        (0.02, Fault::status(500)),
        (0.01, Fault::status(503)),
        (0.01, Fault::status(429)),
        (0.002, pause),
        (0.01, Fault::ResetBeforeHeaders),
        (0.01, Fault::ResetAfterHeaders),
        (0.01, Fault::TruncatedBody),
        (0.002, Fault::StalledBody),
        (0.03, Fault::MissingUsage),
    ];
    let plan = faults
        .into_iter()
        .fold(FaultPlan::none(), |plan, (chance, fault)| {
            plan.with_probability(23, chance, fault)
        });
    let server = Server::with(plan, Duration::from_millis(20));
    let workspace = Workspace::with_model(&server.base_url(), 1_000);
    workspace.succeed(&[
        "run",
        "config.toml",
        "--set",
        "run.max_concurrent=256",
        "--set",
        "run.gate_lag=32",
        "--set",
        "run.pareto_lag=64",
        "--set",
        "providers.local.max_concurrent=256",
    ]);
    let stats = check_agreement(&workspace);
    let ledger = server.ledger();
    check_against_books(&stats, &ledger);
    let sent: u64 = stats["usage"]
        .as_array()
        .unwrap()
        .iter()
        .map(|share| number(&share["usage"], "calls"))
        .sum();
    assert_eq!(sent, ledger.calls_received, "calls, lost replies included");
    assert!(ledger.calls_without_usage > 0);
    assert!(
        number(&stats, "rollouts_unknown_tokens") > 0,
        "replies without usage have estimated tokens"
    );
    assert_eq!(
        number(&stats, "unpriced_calls"),
        0,
        "replies without usage have an estimated price"
    );
    workspace.succeed(&["doctor"]);
}

#[test]
fn rollouts_that_fail_for_good_are_failures_and_no_zeros() {
    // Every refusal is final: about a tenth of the rollouts have no score.
    let faults = FaultPlan::none().with_probability(3, 0.1, Fault::Refusal);
    let server = Server::with(faults, Duration::ZERO);
    let workspace = Workspace::with_model(&server.base_url(), 100);
    workspace.succeed(&["run", "config.toml"]);
    let stats = check_agreement(&workspace);
    let rollouts = workspace.export("rollouts");
    let failed: Vec<&Value> = rollouts
        .iter()
        .filter(|row| row["outcome"] != "scored")
        .collect();
    assert!(!failed.is_empty());
    assert_eq!(failed.len() as u64, number(&stats, "failed_rollouts"));
    assert!(
        failed
            .iter()
            .all(|row| row["score"].is_null() && row["error"].is_string())
    );
    for trial in workspace.export("trials") {
        let scored: Vec<f64> = rollouts
            .iter()
            .filter(|row| row["trial_id"] == trial["trial_id"])
            .filter_map(|row| row["score"].as_f64())
            .collect();
        let executed_all = number(&trial, "reused") == 0;
        if let (true, Some(mean)) = (executed_all, trial["mean_score"].as_f64()) {
            let expected = scored.iter().sum::<f64>() / scored.len() as f64;
            assert!((mean - expected).abs() < 1e-9, "{trial}");
        }
    }
}
