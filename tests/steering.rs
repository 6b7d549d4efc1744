//! Acts of people on runs: from the command line on a live run and on one at rest, with a kill right
//! after each.

use std::time::Duration;

use gepa_testing::FaultPlan;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Server, Workspace, number};

fn events(workspace: &Workspace, kind: &str) -> Vec<Value> {
    let events = workspace.export("events").into_iter();
    events.filter(|event| event["kind"] == kind).collect()
}

/// The name of an example of the pareto set.
/// An example that the seed was run on in this stage.
fn example_of(workspace: &Workspace, stage: &str) -> String {
    let rollouts = workspace.export("rollouts");
    let of_seed = rollouts.iter().find(|row| row["stage"] == stage).unwrap();
    match &of_seed["seed"] {
        Value::String(name) => name.clone(),
        other => other.to_string(),
    }
}

fn accepted(workspace: &Workspace) -> usize {
    let candidates = workspace.export("candidates");
    candidates
        .iter()
        .filter(|row| row["status"] == "accepted")
        .count()
}

#[test]
fn each_act_on_a_live_run_survives_a_kill_right_after_it() {
    let server = Server::with(FaultPlan::none(), Duration::from_millis(10));
    let workspace = Workspace::with_model(&server.base_url(), 100_000);
    let mut running = workspace.start(&["run", "config.toml"]);
    server.wait_until(|ledger| ledger.calls_answered > 150);
    let example = example_of(&workspace, "seed");
    workspace.write("text.txt", "A person wrote this text.\n");
    workspace.write("other.txt", "A person wrote another text.\n");
    let acts: [(&[&str], &str); 8] = [
        (&["inject", "text.txt"], "candidate_injected"),
        (&["inject", "other.txt", "--straight"], "candidate_injected"),
        (&["hint", "name the units"], "hint_given"),
        (&["exclude", &example], "example_excluded"),
        (&["veto", "1"], "candidate_vetoed"),
        (&["pause"], "run_paused"),
        (&["resume"], "run_continued"),
        (&["extend", "--max-rollouts", "200000"], "limits_changed"),
    ];
    for (act, kind) in acts {
        if act[0] == "veto" {
            let patience = std::time::Instant::now() + Duration::from_mins(1);
            while accepted(&workspace) < 2 {
                assert!(
                    std::time::Instant::now() < patience,
                    "no candidate was accepted"
                );
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        let before = events(&workspace, kind).len();
        let mut command = vec!["steer", "latest"];
        command.extend(act);
        command.extend(["--why", "a test", "--who", "ada"]);
        if act[0] == "resume" {
            // A resumption ends the pause that came before.
            let refused = workspace.gepa(&command);
            assert_eq!(refused.code, Some(2), "{}", refused.stdout);
            assert!(
                refused.stderr.contains("is not paused"),
                "{}",
                refused.stderr
            );
            continue;
        }
        let said = workspace.succeed(&command);
        running.signal(Signal::KILL);
        running.wait();
        assert!(said.contains("of the journal"), "{said}");
        let written = events(&workspace, kind);
        assert_eq!(written.len(), before + 1, "{act:?}");
        let body = &written[before]["body"];
        let by = body.get("by").unwrap_or(body);
        assert_eq!((&by["who"], &by["why"]), (&"ada".into(), &"a test".into()));
        workspace.succeed(&["doctor", "latest"]);
        workspace.succeed(&["replay", "latest"]);
        server.wait_until(|ledger| ledger.in_flight == 0);
        let answered = server.ledger().calls_answered;
        running = workspace.start(&["run", "--resume", "latest"]);
        server.wait_until(|ledger| ledger.calls_answered > answered + 20);
    }
    let said = workspace.succeed(&["steer", "latest", "stop", "--why", "enough"]);
    assert!(said.contains("stop: "), "{said}");
    let ended = running.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let stats = workspace.stats();
    assert_eq!(stats["stop_reason"], "requested");
    let stopped = events(&workspace, "stop_requested");
    assert_eq!(stopped[0]["body"]["by"]["why"], "enough");
    workspace.succeed(&["doctor", "latest"]);
    workspace.succeed(&["replay", "latest"]);
    let hinted = events(&workspace, "candidate_vetoed");
    assert_eq!(hinted[0]["body"]["candidate"], 1);
    let finished = events(&workspace, "run_finished");
    assert_ne!(finished[0]["body"]["best"], 1);
}

#[test]
fn acts_on_a_run_at_rest_wait_for_its_resumption() {
    let workspace = Workspace::with_rulebook();
    workspace.succeed(&["run", "config.toml", "--set", "budget.max_iterations=4"]);
    let over = workspace.gepa(&["steer", "latest", "hint", "late"]);
    assert_eq!(over.code, Some(2));
    assert!(over.stderr.contains("the run is over"), "{}", over.stderr);
    let unknown = workspace.gepa(&["steer", "latest", "exclude", "nothing of the kind"]);
    assert!(
        unknown.stderr.contains("no set of this run"),
        "{}",
        unknown.stderr
    );
    let same = workspace.gepa(&["steer", "latest", "extend", "--max-iterations", "4"]);
    assert!(same.stderr.contains("no limit changes"), "{}", same.stderr);

    let extended = workspace.succeed(&["steer", "latest", "extend", "--max-iterations", "60"]);
    assert!(extended.contains("takes it in"), "{extended}");
    assert_eq!(workspace.stats()["status"], "interrupted");
    workspace.succeed(&["steer", "latest", "hint", "use few words", "--why", "long"]);
    let example = example_of(&workspace, "seed");
    workspace.succeed(&["steer", "latest", "exclude", &example]);
    let held_out = example_of(&workspace, "validation_baseline");
    workspace.succeed(&["steer", "latest", "exclude", &held_out]);
    workspace.succeed(&["doctor", "latest"]);
    let before = number(&workspace.stats(), "total_rollouts");
    workspace.succeed(&["run", "--resume", "latest"]);
    let stats = workspace.stats();
    assert_eq!(stats["status"], "succeeded");
    assert!(number(&stats, "total_rollouts") > before);
    let at_rest = events(&workspace, "hint_given");
    assert_eq!(at_rest[0]["body"]["by"]["at_rest"], true);
    workspace.succeed(&["doctor", "latest"]);
    workspace.succeed(&["replay", "latest"]);
    workspace.succeed(&["replay", "latest", "--set", "search.parent=current_best"]);
    let revised = events(&workspace, "archive_revised");
    assert!(!revised.is_empty());
    let shown = workspace.succeed(&["show", "latest"]);
    // The comparison is on held-out examples, so the one of the pareto set is not told of.
    let both = "without 1 example that people excluded; with them it would be: ";
    assert!(shown.contains(both), "{shown}");
}

#[test]
fn the_store_may_be_named_behind_the_act_and_a_copy_into_memory_is_refused() {
    let workspace = Workspace::with_rulebook();
    workspace.succeed(&["run", "config.toml", "--store", "sqlite://here.db"]);
    let act = [
        "steer",
        "latest",
        "exclude",
        "age-73",
        "--store",
        "sqlite://here.db",
    ];
    let told = workspace.succeed(&act);
    assert!(told.contains("exclude"), "{told}");
    let copied = workspace.gepa(&["store", "copy", "sqlite://here.db", "memory:"]);
    assert_eq!(copied.code, Some(2));
    assert!(
        copied.stderr.contains("ends with this command"),
        "{}",
        copied.stderr
    );
}
