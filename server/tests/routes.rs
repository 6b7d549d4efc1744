//! The routes, asked over loopback with the plainest of clients.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_engine::config::BudgetSettings;
use gepa_engine::{Config, ExampleSets, Run, RunId, Settings, Store};
use gepa_evaluation::testing::{FixedEvaluator, ScriptedModel};
use gepa_evaluation::{Evaluation, ExampleId, Outcome, PromptTemplate};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn finished_run(store: Arc<dyn Store>) -> RunId {
    let ids = |range: std::ops::Range<u64>| range.map(ExampleId::Seed).collect();
    let sets = ExampleSets {
        train: ids(0..4),
        pareto: ids(4..8),
        validation: ids(8..12),
    };
    let budget = BudgetSettings {
        max_rollouts: Some(60),
        ..BudgetSettings::default()
    };
    let settings = Settings {
        budget,
        ..Settings::default()
    };
    let seed = Candidate::new([("instruction", "Answer.")]).unwrap();
    let config = Config::new(seed, PromptTemplate::default(), sets, settings).unwrap();
    let run = Run::builder(config)
        .store(store)
        .evaluator(Arc::new(FixedEvaluator::new(|_| {
            Evaluation::free(Outcome::score(0.5))
        })))
        .reflection_model(Arc::new(ScriptedModel::answering(|_| {
            "```\nBetter.\n```".to_owned()
        })))
        .start()
        .await
        .unwrap();
    let run_id = run.run_id().clone();
    run.finish().await.unwrap();
    run_id
}

async fn ask(path: &str, store: Arc<dyn Store>) -> (u16, Value) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(gepa_server::serve(listener, store));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    server.abort();
    let status = reply[9..12].parse().unwrap();
    let (_, body) = reply.split_once("\r\n\r\n").unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

#[tokio::test]
async fn runs_and_their_journals_can_be_read_page_by_page() {
    let store = gepa_store::open("memory:").unwrap();
    let run_id = finished_run(Arc::clone(&store)).await;
    let (status, health) = ask("/health", Arc::clone(&store)).await;
    assert_eq!((status, &health["status"]), (200, &Value::from("ok")));
    let (_, runs) = ask("/runs", Arc::clone(&store)).await;
    assert_eq!(runs[0]["run_id"], run_id.as_str());
    let (_, run) = ask(&format!("/runs/{run_id}"), Arc::clone(&store)).await;
    let last = run["summary"]["seq"].as_u64().unwrap();

    let mut seen = 0;
    loop {
        let path = format!("/runs/{run_id}/events?after={seen}&limit=7");
        let (status, page) = ask(&path, Arc::clone(&store)).await;
        assert_eq!(status, 200);
        let events = page["events"].as_array().unwrap();
        assert!(events.len() <= 7);
        for event in events {
            seen += 1;
            assert_eq!(event["seq"], seen);
        }
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(seen, last);
}

#[tokio::test]
async fn bad_requests_get_a_status_and_a_reason() {
    let store = gepa_store::open("memory:").unwrap();
    for (path, expected) in [
        ("/runs/pl_0123456789abcdef", 404),
        ("/runs/..%2F..%2Fetc%2Fpasswd", 400),
        ("/runs/pl_0123456789abcdef/events", 404),
    ] {
        let (status, body) = ask(path, Arc::clone(&store)).await;
        assert_eq!(status, expected, "{path}");
        assert!(
            body["error"]
                .as_str()
                .is_some_and(|message| !message.is_empty()),
            "{path}"
        );
    }
    let (status, _) = ask("/runs/pl_0123456789abcdef/events?limit=many", store).await;
    assert_eq!(status, 400);
}
