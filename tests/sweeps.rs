//! `gepa sweep`: settings and seeds side by side, resumed after a kill, compared at the end.

use std::time::Duration;

use gepa_testing::FaultPlan;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Server, Workspace, number};

const SWEEP: &str = "config = \"config.toml\"\nname = \"parents\"\nseeds = [1, 2, 3]\nparallel = 2\n\
                     [budget]\nmax_rollouts = 720\n[grid]\n\"search.parent\" = [\"pareto\", \"current_best\"]\n";

fn runs(workspace: &Workspace) -> Vec<Value> {
    let text = workspace.succeed(&["runs", "--json"]);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_sweep_runs_every_setting_with_every_seed_once_within_its_budget() {
    let workspace = Workspace::with_rulebook();
    workspace.write("sweep.toml", SWEEP);
    let plan = workspace.succeed(&["sweep", "sweep.toml", "--plan"]);
    assert!(plan.contains("2 settings, 3 seeds, 6 runs"), "{plan}");
    assert!(plan.contains("120 rollouts at most"), "{plan}");
    assert!(
        !workspace.path().join(".gepa").exists(),
        "a plan runs nothing"
    );
    let write = [
        "sweep",
        "sweep.toml",
        "--json",
        "found.json",
        "--report",
        "page.html",
    ];
    let table = workspace.succeed(&write);
    let all = runs(&workspace);
    assert_eq!(all.len(), 6);
    let total: u64 = all.iter().map(|run| number(run, "total_rollouts")).sum();
    assert!(total <= 720, "{total}");
    let found: Value = serde_json::from_str(&workspace.read("found.json")).unwrap();
    let settings = found["settings"].as_array().unwrap();
    assert_eq!(settings.len(), 2);
    for setting in settings {
        let of_setting = setting["runs"].as_array().unwrap();
        assert_eq!(of_setting.len(), 3);
        let scores: Vec<f64> = of_setting
            .iter()
            .map(|run| run["score"].as_f64().unwrap())
            .collect();
        for run in of_setting {
            let listed = all
                .iter()
                .find(|one| one["run_id"] == run["run_id"])
                .unwrap();
            assert_eq!(listed["best_validation_score"], run["score"]);
        }
        let mean = scores.iter().sum::<f64>() / 3.0;
        assert!((setting["score"]["mean"].as_f64().unwrap() - mean).abs() < 1e-9);
    }
    assert!(table.contains("3 of 3"), "{table}");
    assert!(workspace.read("page.html").starts_with("<!doctype html>"));
    let again = workspace.succeed(&["sweep", "sweep.toml"]);
    assert_eq!(again, table);
    assert_eq!(runs(&workspace).len(), 6, "a run was repeated");
}

#[test]
fn a_sweep_that_was_killed_goes_on_where_it_stood() {
    let server = Server::with(FaultPlan::none(), Duration::from_millis(4));
    let workspace = Workspace::with_model(&server.base_url(), 150);
    workspace.write("sweep.toml", SWEEP);
    let mut command = workspace.command(&["sweep", "sweep.toml"]);
    let mut killed = command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    server.wait_until(|ledger| ledger.calls_answered > 330);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let before = runs(&workspace);
    let over = |runs: &[Value]| -> Vec<Value> {
        let over = runs.iter().filter(|run| run["status"] == "succeeded");
        over.map(|run| run["run_id"].clone()).collect()
    };
    assert!(
        !over(&before).is_empty() && over(&before).len() < 6,
        "{before:?}"
    );
    let finished = workspace.gepa(&["sweep", "sweep.toml", "--parallel", "3"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let after = runs(&workspace);
    assert_eq!(after.len(), 6, "runs that had begun were resumed");
    assert_eq!(over(&after).len(), 6);
    for run in &before {
        let same = after
            .iter()
            .find(|one| one["run_id"] == run["run_id"])
            .unwrap();
        if run["status"] == "succeeded" {
            assert_eq!(same, run, "a run that was over has changed");
        }
        workspace.succeed(&["replay", run["run_id"].as_str().unwrap()]);
    }
    workspace.succeed(&["doctor"]);
}

#[test]
fn an_interrupted_sweep_says_so_and_can_be_repeated() {
    let server = Server::with(FaultPlan::none(), Duration::from_millis(10));
    let workspace = Workspace::with_model(&server.base_url(), 150);
    workspace.write("sweep.toml", SWEEP);
    let mut command = workspace.command(&["sweep", "sweep.toml"]);
    let child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    server.wait_until(|ledger| ledger.calls_answered > 60);
    let id = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(id, Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("gepa sweep sweep.toml"), "{told}");
    let states: Vec<Value> = runs(&workspace)
        .iter()
        .map(|run| run["status"].clone())
        .collect();
    assert_eq!(states, ["interrupted", "interrupted"]);
}

#[test]
fn every_problem_is_named_before_anything_runs() {
    let workspace = Workspace::with_rulebook();
    let broken = SWEEP.replace("\"current_best\"", "\"curent_best\"");
    workspace.write("sweep.toml", &format!("{broken}\"search.nope\" = [1]\n"));
    let refused = workspace.gepa(&["sweep", "sweep.toml"]);
    assert_eq!(refused.code, Some(2));
    for named in ["nothing was run", "`search.nope`", "curent_best"] {
        assert!(
            refused.stderr.contains(named),
            "{named}: {}",
            refused.stderr
        );
    }
    workspace.write("sweep.toml", &SWEEP.replace("720", "60"));
    let poor = workspace.gepa(&["sweep", "sweep.toml"]);
    assert_eq!(poor.code, Some(2));
    assert!(
        poor.stderr.contains("do not suffice for one proposal"),
        "{}",
        poor.stderr
    );
    workspace.write("sweep.toml", "config = \"nowhere.toml\"\nseeds = [1]\n");
    let missing = workspace.gepa(&["sweep", "sweep.toml"]);
    assert_eq!(missing.code, Some(2));
    assert!(
        missing.stderr.contains("nowhere.toml"),
        "{}",
        missing.stderr
    );
    assert!(!workspace.path().join(".gepa").exists());
}
