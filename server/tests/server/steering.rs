//! Jobs that are cancelled, paused, or interrupted by an outage.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gepa_engine::{Seq, Store};
use gepa_server::{OutageSettings, ServerSettings};
use serde_json::json;

use crate::client::{JOBS, get, post, until};
use crate::world::{Ledger, alone, listen, memory, quick};

#[tokio::test]
async fn a_cancelled_job_ends_at_once_and_stays_ended() {
    let server = alone().await;
    let job = server.submit(json!({"budget": 400, "pause_ms": 30})).await;
    until(server.address, &job, &["running"]).await;
    let path = format!("{JOBS}/{job}/cancel");
    let answer = post(server.address, &path, json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["status"], "cancelled");
    let detail = get(server.address, &format!("{JOBS}/{job}")).await;
    assert_eq!(detail["metadata"]["stats"]["stop_reason"], "cancelled");
    let events = get(server.address, &format!("{JOBS}/{job}/events")).await;
    let last = events["events"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["type"], "prompt.learning.cancelled");
    let again = post(server.address, &path, json!({})).await;
    assert_eq!(again.status, 409);
    let unknown = format!("{JOBS}/pl_0123456789abcdef/cancel");
    assert_eq!(post(server.address, &unknown, json!({})).await.status, 404);
}

#[tokio::test]
async fn a_queued_job_can_be_cancelled_but_not_paused() {
    let settings = ServerSettings {
        max_jobs: 1,
        ..quick()
    };
    let server = listen(memory(), &Arc::<Ledger>::default(), settings).await;
    server.submit(json!({"budget": 400, "pause_ms": 50})).await;
    let queued = server.submit(json!({"budget": 60})).await;
    let refused = post(server.address, &format!("{JOBS}/{queued}/pause"), json!({})).await;
    assert_eq!(refused.status, 409);
    let answer = post(
        server.address,
        &format!("{JOBS}/{queued}/cancel"),
        json!({}),
    )
    .await;
    assert_eq!(answer.json()["status"], "cancelled");
    server.stop().await;
}

#[tokio::test]
async fn a_paused_job_gives_its_slot_to_the_next_and_goes_on_later() {
    let settings = ServerSettings {
        max_jobs: 1,
        ..quick()
    };
    let server = listen(memory(), &Arc::<Ledger>::default(), settings).await;
    let first = server.submit(json!({"budget": 150, "pause_ms": 5})).await;
    let second = server.submit(json!({"budget": 60})).await;
    until(server.address, &first, &["running"]).await;
    let paused = post(server.address, &format!("{JOBS}/{first}/pause"), json!({})).await;
    assert_eq!(paused.json()["status"], "paused");
    until(server.address, &second, &["succeeded"]).await;
    let detail = get(server.address, &format!("{JOBS}/{first}")).await;
    assert_eq!(detail["status"], "paused");
    assert_eq!(detail["waiting_for"], "a resume request");
    let resumed = post(server.address, &format!("{JOBS}/{first}/resume"), json!({})).await;
    // The answer comes with the journal's entry, and the job may have ended by then.
    let status = resumed.json()["status"].clone();
    assert!(
        ["running", "succeeded"].contains(&status.as_str().unwrap()),
        "{status}"
    );
    until(server.address, &first, &["succeeded"]).await;
}

#[tokio::test]
async fn a_job_waits_until_an_outage_ends_and_buys_nothing_twice() {
    let ledger = Arc::<Ledger>::default();
    let server = listen(memory(), &ledger, quick()).await;
    ledger.outages.store(6, Ordering::SeqCst);
    let job = server.submit(json!({"budget": 80})).await;
    let detail = until(server.address, &job, &["succeeded", "failed"]).await;
    assert_eq!(detail["status"], "succeeded");
    assert_eq!(ledger.ended.lock().unwrap().values().max(), Some(&1));
    let events = get(server.address, &format!("{JOBS}/{job}/events")).await;
    let warned = events["events"].as_array().unwrap().iter();
    let warnings = warned.filter(|event| event["type"] == "prompt.learning.interrupted");
    assert_eq!(warnings.count(), 1);
}

#[tokio::test]
async fn an_outage_that_lasts_too_long_fails_the_job_with_the_last_error() {
    let ledger = Arc::<Ledger>::default();
    let settings = ServerSettings {
        outage: OutageSettings {
            first_pause: Duration::from_millis(30),
            longest_pause: Duration::from_millis(30),
            allowed: Duration::from_millis(300),
            ..quick().outage
        },
        ..quick()
    };
    let server = listen(memory(), &ledger, settings).await;
    ledger.outages.store(usize::MAX, Ordering::SeqCst);
    let job = server.submit(json!({"budget": 80})).await;
    let mut reasons = Vec::new();
    let detail = loop {
        let detail = get(server.address, &format!("{JOBS}/{job}")).await;
        reasons.extend(detail["waiting_for"].as_str().map(str::to_owned));
        if detail["status"] == "failed" {
            break detail;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(
        reasons
            .iter()
            .any(|reason| reason.contains("connection refused"))
    );
    assert!(
        detail["error"]
            .as_str()
            .unwrap()
            .contains("connection refused")
    );
    assert_eq!(detail["metadata"]["stats"]["stop_reason"], "outage");
    let events = get(server.address, &format!("{JOBS}/{job}/events")).await;
    let last = events["events"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["type"], "prompt.learning.failed");
}

/// The body of the first event of this kind in a run's journal.
async fn body_of(store: &Arc<dyn Store>, run: &str, kind: &str) -> serde_json::Value {
    let run = run.parse().unwrap();
    let events = store.events(&run, Seq(0), usize::MAX).await.unwrap();
    let found = events.iter().find(|event| event.body.kind() == kind);
    json!(found.map(|event| &event.body))
}

#[tokio::test]
async fn acts_of_people_reach_a_job_that_runs_rests_or_is_over() {
    let store = memory();
    let ledger = Arc::<Ledger>::default();
    let server = listen(Arc::clone(&store), &ledger, quick()).await;
    let job = server.submit(json!({"budget": 60, "pause_ms": 20})).await;
    until(server.address, &job, &["running"]).await;
    let path = format!("/api/runs/{job}/steering");
    let act = json!({"act": "hint", "text": "be brief", "who": "ada", "why": "long"});
    let done = post(server.address, &path, act.clone()).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(done.json()["at_rest"], false);
    let written = body_of(&store, &job, "hint_given").await;
    assert_eq!(written["by"], json!({"who": "ada", "why": "long"}));
    let refused = [
        (json!({"act": "veto", "candidate": 0}), 409, "the seed"),
        (json!({"act": "veto"}), 422, "`candidate` is missing"),
        (json!({"act": "leap"}), 422, "`act` is `leap`"),
        (json!({"act": "exclude", "example": "x"}), 409, "no set"),
    ];
    for (request, status, expected) in refused {
        let answer = post(server.address, &path, request).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(answer.text.contains(expected), "{}", answer.text);
    }
    let unknown = "/api/runs/pl_0123456789abcdef/steering";
    assert_eq!(post(server.address, unknown, act).await.status, 404);

    let paused = post(server.address, &path, json!({"act": "pause", "who": "ada"})).await;
    assert_eq!(paused.status, 200, "{}", paused.text);
    // A server that is killed after this answer has the pause in its journal.
    assert!(paused.json()["seq"].is_u64(), "{}", paused.text);
    until(server.address, &job, &["paused"]).await;
    server.stop().await;

    // The next server finds the job paused. An act then goes into the journal of a run at rest.
    let server = listen(Arc::clone(&store), &ledger, quick()).await;
    let excluded = post(
        server.address,
        &path,
        json!({"act": "exclude", "example": 11}),
    )
    .await;
    assert_eq!(excluded.status, 200, "{}", excluded.text);
    assert_eq!(excluded.json()["at_rest"], true);
    let resume = format!("{JOBS}/{job}/resume");
    post(server.address, &resume, json!({})).await;
    until(server.address, &job, &["succeeded"]).await;
    let before = get(server.address, &format!("/api/runs/{job}/view")).await;
    assert_eq!(before["excluded"], json!([11]));

    let extend = json!({"act": "extend", "limits": {"max_rollouts": 90}, "why": "more"});
    let extended = post(server.address, &path, extend).await;
    assert_eq!(extended.status, 200, "{}", extended.text);
    until(server.address, &job, &["succeeded"]).await;
    let after = get(server.address, &format!("/api/runs/{job}/view")).await;
    let rollouts = |view: &serde_json::Value| view["run"]["total_rollouts"].as_u64().unwrap();
    assert!(rollouts(&after) > rollouts(&before));
    assert_eq!(ledger.ended.lock().unwrap().values().max(), Some(&1));
    server.stop().await;
}

#[tokio::test]
async fn a_branch_begins_as_a_job_and_may_set_settings_of_the_search_only() {
    let store = memory();
    let server = listen(Arc::clone(&store), &Arc::<Ledger>::default(), quick()).await;
    let job = server.submit(json!({"budget": 120})).await;
    until(server.address, &job, &["succeeded"]).await;
    let path = format!("/api/runs/{job}/branch");
    let overrides = json!({"budget.max_rollouts": 150});
    let begun = post(
        server.address,
        &path,
        json!({"iteration": 1, "overrides": overrides}),
    )
    .await;
    assert_eq!(begun.status, 201, "{}", begun.text);
    let branch = begun.json()["run_id"].as_str().unwrap().to_owned();
    until(server.address, &branch, &["succeeded"]).await;
    let started = body_of(&store, &branch, "run_started").await;
    assert_eq!(started["origin"]["run"], json!(job));
    let command = json!({"overrides": {"evaluator.command": ["sh"]}});
    let refused = post(server.address, &path, command).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    let late = post(server.address, &path, json!({"iteration": 9999})).await;
    assert_eq!(late.status, 409, "{}", late.text);
    server.stop().await;
}
