//! A server that ends, and a second one that continues on the same database.

use std::sync::Arc;
use std::time::Duration;

use gepa_archive::Candidate;
use gepa_engine::{Config, ExampleSets, Run, Settings, Store};
use gepa_evaluation::{Evaluation, ExampleId, Outcome, PromptTemplate};
use gepa_server::ServerSettings;
use gepa_testing::{FixedEvaluator, ScriptedModel};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{JOBS, get, post, until};
use crate::world::{Ledger, listen, quick};

fn open(folder: &TempDir) -> Arc<dyn Store> {
    let path = folder.path().join("jobs.db");
    gepa_store::open(&format!("sqlite://{}", path.display())).unwrap()
}

fn one_at_a_time() -> ServerSettings {
    ServerSettings {
        max_jobs: 1,
        ..quick()
    }
}

#[tokio::test]
async fn jobs_go_on_after_a_restart_and_nothing_is_bought_twice() {
    let folder = TempDir::new().unwrap();
    let ledger = Arc::<Ledger>::default();
    let server = listen(open(&folder), &ledger, one_at_a_time()).await;
    let script = |name: &str| json!({"name": name, "budget": 150, "pause_ms": 3});
    let first = server.submit(script("first")).await;
    let second = server.submit(script("second")).await;
    let some = |job: Value| job["total_rollouts"].as_u64().unwrap() > 20;
    while !some(get(server.address, &format!("{JOBS}/{first}")).await) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    server.stop().await;

    let store = open(&folder);
    let interrupted = store.run(&first.parse().unwrap()).await.unwrap();
    assert_eq!(interrupted.summary.status.as_str(), "interrupted");
    let server = listen(store, &ledger, one_at_a_time()).await;
    for job in [&first, &second] {
        let detail = until(server.address, job, &["succeeded", "failed"]).await;
        assert_eq!(detail["status"], "succeeded");
    }
    assert_eq!(ledger.ended.lock().unwrap().values().max(), Some(&1));
    assert_eq!(*ledger.begun.lock().unwrap(), ["first", "second"]);
    let total: u64 = {
        let mut sum = 0;
        for job in [&first, &second] {
            let detail = get(server.address, &format!("{JOBS}/{job}")).await;
            sum += detail["total_rollouts"].as_u64().unwrap();
        }
        sum
    };
    assert_eq!(total, ledger.ended.lock().unwrap().len() as u64);
    let events = get(server.address, &format!("{JOBS}/{first}/events")).await;
    let seqs = events["events"].as_array().unwrap().iter();
    assert!(
        seqs.zip(1_u64..)
            .all(|(event, expected)| event["seq"] == expected)
    );
}

#[tokio::test]
async fn a_paused_job_stays_paused_over_a_restart() {
    let folder = TempDir::new().unwrap();
    let ledger = Arc::<Ledger>::default();
    let server = listen(open(&folder), &ledger, quick()).await;
    let job = server.submit(json!({"budget": 150, "pause_ms": 5})).await;
    until(server.address, &job, &["running"]).await;
    post(server.address, &format!("{JOBS}/{job}/pause"), json!({})).await;
    server.stop().await;

    let executed = ledger.ended.lock().unwrap().len();
    let server = listen(open(&folder), &ledger, quick()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(ledger.ended.lock().unwrap().len(), executed);
    let detail = get(server.address, &format!("{JOBS}/{job}")).await;
    assert_eq!(detail["waiting_for"], "a resume request");
    assert_eq!(detail["status"], "paused");
    let answer = post(server.address, &format!("{JOBS}/{job}/resume"), json!({})).await;
    assert_eq!(answer.status, 200);
    until(server.address, &job, &["succeeded"]).await;
    assert_eq!(ledger.ended.lock().unwrap().values().max(), Some(&1));
}

#[tokio::test]
async fn runs_of_other_programs_are_shown_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let ids = |range: std::ops::Range<u64>| range.map(ExampleId::Seed).collect();
    let sets = ExampleSets {
        train: ids(0..4),
        pareto: ids(4..8),
        validation: Vec::new(),
    };
    let seed = Candidate::new([("instruction", "Answer.")]).unwrap();
    let mut settings = Settings::default();
    settings.budget.max_rollouts = Some(50);
    let config = Config::new(seed, PromptTemplate::default(), sets, settings).unwrap();
    let created = Run::builder(config)
        .store(Arc::clone(&store))
        .evaluator(Arc::new(FixedEvaluator::new(|_| {
            Evaluation::free(Outcome::score(0.5))
        })))
        .reflection_model(Arc::new(ScriptedModel::answering(|_| "no".to_owned())))
        .create()
        .await
        .unwrap();
    let server = listen(store, &Arc::<Ledger>::default(), quick()).await;
    let job = created.run_id.as_str();
    let detail = get(server.address, &format!("{JOBS}/{job}")).await;
    assert_eq!(detail["origin"], "command_line");
    assert_eq!(detail["status"], "queued");
    let answer = post(server.address, &format!("{JOBS}/{job}/cancel"), json!({})).await;
    assert_eq!(answer.status, 409);
    let events = get(server.address, &format!("{JOBS}/{job}/events")).await;
    assert_eq!(events["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_job_that_another_process_owns_waits_for_that_process() {
    let folder = TempDir::new().unwrap();
    let ledger = Arc::<Ledger>::default();
    let server = listen(open(&folder), &ledger, quick()).await;
    let job = server.submit(json!({"budget": 100, "pause_ms": 5})).await;
    until(server.address, &job, &["running"]).await;
    server.stop().await;

    let store = open(&folder);
    let claim = store.claim(&job.parse().unwrap()).await.unwrap();
    let server = listen(store, &ledger, quick()).await;
    let waits = |detail: &Value| {
        let reason = detail["waiting_for"].as_str();
        reason.is_some_and(|reason| reason.contains("owns the run"))
    };
    while !waits(&get(server.address, &format!("{JOBS}/{job}")).await) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(claim);
    until(server.address, &job, &["succeeded"]).await;
    assert_eq!(ledger.ended.lock().unwrap().values().max(), Some(&1));
}

#[tokio::test]
async fn the_same_journal_gives_the_same_events_however_it_is_read() {
    let folder = TempDir::new().unwrap();
    let ledger = Arc::<Ledger>::default();
    let server = listen(open(&folder), &ledger, quick()).await;
    let job = server.submit(json!({"budget": 120, "pause_ms": 2})).await;
    let path = format!("{JOBS}/{job}/events");
    let mut followed: Vec<Value> = Vec::new();
    loop {
        // Reads the growing journal in small pages.
        let since = followed.len();
        let page = get(server.address, &format!("{path}?since_seq={since}&limit=3")).await;
        followed.extend(page["events"].as_array().unwrap().clone());
        let last = followed.last().map(|event| event["type"].clone());
        if last == Some(json!("prompt.learning.gepa.complete")) {
            break;
        }
    }
    server.stop().await;
    let server = listen(open(&folder), &ledger, quick()).await;
    let whole = get(server.address, &path).await;
    assert_eq!(whole["events"], Value::Array(followed));
}
