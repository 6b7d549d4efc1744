//! Jobs that wait for the end of a day because what their calls may cost is spent.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gepa_engine::Timestamp;
use gepa_server::{OutageSettings, ServerSettings};
use serde_json::{Value, json};

use crate::client::{JOBS, get, post, until};
use crate::world::{Ledger, Listening, listen, memory, quick, seconds_now};

/// No outage is allowed here, so a job that took the end of a day for one would fail.
fn no_outage() -> ServerSettings {
    ServerSettings {
        outage: OutageSettings {
            allowed: Duration::ZERO,
            ..quick().outage
        },
        ..quick()
    }
}

/// The detail of a job that waits for the time at which calls go on.
async fn waits(server: &Listening, job: &str) -> Value {
    loop {
        let detail = get(server.address, &format!("{JOBS}/{job}")).await;
        let why = detail["waiting_for"].as_str().unwrap_or_default();
        if why.contains("calls go on") {
            return detail;
        }
        assert_ne!(detail["status"], "failed", "{detail}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_job_waits_for_the_end_of_the_day_and_then_goes_on_by_itself() {
    let ledger = Arc::<Ledger>::default();
    let server = listen(memory(), &ledger, no_outage()).await;
    let goes_on_at = seconds_now() + 3;
    ledger.goes_on_at.store(goes_on_at, Ordering::SeqCst);
    let job = server.submit(json!({"budget": 80})).await;
    let detail = waits(&server, &job).await;
    assert_eq!(detail["status"], "interrupted");
    let why = detail["waiting_for"].as_str().unwrap();
    let time = Timestamp(goes_on_at as i64 * 1_000_000).to_string();
    assert!(why.starts_with(&time), "{why} does not begin with {time}");
    assert!(why.contains("`dollars_per_day` is used up"), "{why}");
    let refused = ledger.refused.load(Ordering::SeqCst);
    until(server.address, &job, &["succeeded"]).await;
    assert!(seconds_now() >= goes_on_at);
    // It did not try again before.
    assert_eq!(ledger.refused.load(Ordering::SeqCst), refused);
    assert_eq!(ledger.ended.lock().unwrap().values().max(), Some(&1));
    let events = get(server.address, &format!("{JOBS}/{job}/events")).await;
    let events = events["events"].as_array().unwrap().iter();
    let interrupted = events.filter(|event| event["type"] == "prompt.learning.interrupted");
    assert_eq!(interrupted.count(), 1);
}

#[tokio::test]
async fn a_job_that_waits_for_midnight_leaves_its_slot_and_can_be_cancelled() {
    let ledger = Arc::<Ledger>::default();
    let settings = ServerSettings {
        max_jobs: 1,
        ..no_outage()
    };
    let server = listen(memory(), &ledger, settings).await;
    let tomorrow = seconds_now() + 7_200;
    ledger.goes_on_at.store(tomorrow, Ordering::SeqCst);
    // A worker of an earlier version says the time in words.
    for says_words in [false, true] {
        ledger.says_words.store(says_words, Ordering::SeqCst);
        let waiting = server.submit(json!({"budget": 80})).await;
        waits(&server, &waiting).await;
        ledger.goes_on_at.store(0, Ordering::SeqCst);
        let other = server.submit(json!({"budget": 80})).await;
        until(server.address, &other, &["succeeded"]).await;
        let detail = get(server.address, &format!("{JOBS}/{waiting}")).await;
        assert_eq!(detail["status"], "interrupted");
        ledger.goes_on_at.store(tomorrow, Ordering::SeqCst);
        let cancel = format!("{JOBS}/{waiting}/cancel");
        post(server.address, &cancel, json!({})).await;
        until(server.address, &waiting, &["cancelled"]).await;
    }
}

#[tokio::test]
async fn a_limit_that_is_raised_lets_a_job_go_on_before_midnight() {
    let ledger = Arc::<Ledger>::default();
    let mut settings = no_outage();
    settings.outage.look_every = Duration::from_millis(50);
    let server = listen(memory(), &ledger, settings).await;
    ledger
        .goes_on_at
        .store(seconds_now() + 7_200, Ordering::SeqCst);
    let job = server.submit(json!({"budget": 80})).await;
    waits(&server, &job).await;
    while ledger.refused.load(Ordering::SeqCst) < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    ledger.goes_on_at.store(0, Ordering::SeqCst);
    until(server.address, &job, &["succeeded"]).await;
}

#[tokio::test]
async fn a_server_that_starts_again_takes_up_a_job_that_waits_for_midnight() {
    let ledger = Arc::<Ledger>::default();
    let store = memory();
    let server = listen(Arc::clone(&store), &ledger, no_outage()).await;
    ledger
        .goes_on_at
        .store(seconds_now() + 7_200, Ordering::SeqCst);
    let job = server.submit(json!({"budget": 80})).await;
    waits(&server, &job).await;
    server.stop().await;
    let again = listen(store, &ledger, no_outage()).await;
    waits(&again, &job).await;
    again.stop().await;
    ledger.goes_on_at.store(0, Ordering::SeqCst);
}
