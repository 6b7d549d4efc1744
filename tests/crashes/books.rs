//! Properties that a run's records must have at any instant.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::accounting::check_rows;
use crate::support::{Workspace, number};

/// The number of model calls that the journal has settled.
pub(crate) fn settled_calls(events: &[Value]) -> u64 {
    let settled = events.iter().filter(|event| {
        matches!(
            event["kind"].as_str(),
            Some("rollout_settled" | "reflection_settled")
        )
    });
    settled.count() as u64
}

/// Checks that the journal has no gap and settles nothing twice, and that its records are complete
/// and add up.
#[track_caller]
pub(crate) fn check_records(workspace: &Workspace, events: &[Value]) {
    check_settled_once(events);
    for (position, event) in events.iter().enumerate() {
        assert_eq!(number(event, "seq"), position as u64 + 1, "no gap");
    }
    check_rows(workspace);
    check_snapshots(workspace, events);
    workspace.succeed(&["doctor", "latest"]);
}

/// Checks that a rollout is settled once, or again only after a transient failure.
#[track_caller]
fn check_settled_once(events: &[Value]) {
    let mut outcomes: BTreeMap<String, String> = BTreeMap::new();
    for event in events {
        let body = &event["body"];
        let place = match event["kind"].as_str() {
            Some("rollout_settled") => format!("{} {}", body["trial"], body["position"]),
            Some("reflection_settled") => format!(
                "{} {} {}",
                body["iteration"], body["component"], body["attempt"]
            ),
            _ => continue,
        };
        let outcome = body["outcome"]["outcome"].to_string();
        let before = outcomes.insert(place.clone(), outcome);
        if let Some(before) = before {
            let again = body["again"] == true && before.contains("failed");
            assert!(again, "{place} was settled twice");
        }
    }
}

#[track_caller]
fn check_snapshots(workspace: &Workspace, events: &[Value]) {
    let taken = events
        .iter()
        .filter(|event| event["kind"] == "snapshot_taken");
    let snapshots = workspace.export("snapshots");
    assert_eq!(snapshots.len(), taken.count());
    for snapshot in &snapshots {
        let payload = &snapshot["payload"];
        let lists = [
            &snapshot["messages"],
            &payload["best_prompt_messages"],
            &payload["archive"],
        ];
        for list in lists {
            assert!(!list.as_array().unwrap().is_empty(), "{snapshot}");
        }
        assert!(snapshot["score"].is_f64() && number(snapshot, "token_count") > 0);
        for item in payload["archive"].as_array().unwrap() {
            let scores = item["instance_scores"].as_array().unwrap();
            assert!(!scores.is_empty() && item["score"].is_f64(), "{item}");
            assert!(!item["messages"].as_array().unwrap().is_empty(), "{item}");
        }
    }
}

/// All decisions, sorted and without their times. The order in which results of different proposals
/// arrive is not a decision.
pub(crate) fn decisions(events: &[Value]) -> Vec<String> {
    let facts = [
        "run_resumed",
        "run_interrupted",
        "rollout_settled",
        "rollout_suspended",
        "call_limits_noted",
        "reflection_settled",
    ];
    let is_fact = |event: &&Value| facts.iter().any(|kind| event["kind"] == *kind);
    let mut decisions: Vec<String> = events
        .iter()
        .filter(|event| !is_fact(event))
        .map(|event| event["body"].to_string())
        .collect();
    decisions.sort();
    decisions
}
