//! Runs decided again from their journals.

use rusqlite::Connection;

use crate::support::{Server, Workspace, number};

const ROLLOUTS: u64 = 180;

fn finished(server: &Server) -> Workspace {
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    workspace.succeed(&["run", "config.toml"]);
    workspace
}

#[test]
fn a_finished_run_is_decided_again_without_a_call() {
    let server = Server::start();
    let workspace = finished(&server);
    let calls = server.ledger().calls_received;
    let events = workspace.export("events");
    let replayed = workspace.succeed(&["replay", "latest"]);
    let decisions = workspace.stats();
    assert!(number(&decisions, "iterations") > 2);
    let facts = events
        .iter()
        .filter(|event| {
            let kind = event["kind"].as_str().unwrap();
            kind.ends_with("_settled") || ["run_resumed", "call_limits_noted"].contains(&kind)
        })
        .count();
    let expected = format!("{facts} facts give the {} recorded", events.len() - facts);
    assert!(replayed.contains(&expected), "{replayed}");
    assert_eq!(server.ledger().calls_received, calls);
    assert_eq!(workspace.export("events"), events, "nothing was written");
}

#[test]
fn a_changed_outcome_is_noticed_where_it_first_matters() {
    let server = Server::start();
    let workspace = finished(&server);
    let database = Connection::open(workspace.path().join(".gepa/gepa.db")).unwrap();
    let changed = database
        .execute(
            "UPDATE events SET body = replace(body, '\"score\":0.0', '\"score\":1.0') WHERE kind = 'rollout_settled'",
            [],
        )
        .unwrap();
    assert!(changed > 0);
    let finished = workspace.gepa(&["replay", "latest"]);
    assert_eq!(finished.code, Some(2), "{}", finished.stdout);
    assert!(
        finished
            .stderr
            .contains("does not follow from what came before it"),
        "{}",
        finished.stderr
    );
}

#[test]
fn settings_that_decide_alike_find_everything_they_need() {
    let server = Server::start();
    let workspace = finished(&server);
    let answer = workspace.succeed(&["replay", "latest", "--set", "search.epsilon=0.5"]);
    assert!(
        answer.contains("the recorded data last to its end"),
        "{answer}"
    );
    // An iteration that makes a row longer decides no proposal.
    let events = workspace.export("events");
    let issued = events
        .iter()
        .filter(|event| event["kind"] == "proposal_issued");
    let iterations = issued.count();
    let all = format!("{iterations} iterations begun, the first {iterations} decided as recorded");
    assert!(answer.contains(&all), "{answer}");
}

#[test]
fn other_settings_are_followed_to_where_the_data_end() {
    let server = Server::start();
    let workspace = finished(&server);
    let calls = server.ledger().calls_received;
    let seeded = workspace.succeed(&["replay", "latest", "--set", "run.seed=99"]);
    assert!(
        seeded.contains("the recorded data end in iteration 1"),
        "{seeded}"
    );
    assert!(seeded.contains(" was recorded"), "{seeded}");
    let lenient = workspace.succeed(&[
        "replay",
        "latest",
        "--set",
        "search.acceptance=improvement_or_equal",
    ]);
    assert!(lenient.contains("passed instead of rejected"), "{lenient}");
    assert_eq!(server.ledger().calls_received, calls);
}
