//! Which submissions are accepted, which are refused, and in which order jobs run.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gepa_server::ServerSettings;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{JOBS, ask, get, post, until};
use crate::world::{Ledger, alone, listen, memory, quick, submission};

#[tokio::test]
async fn a_config_that_cannot_run_is_refused_with_a_problem_for_each_key() {
    let server = alone().await;
    let cases: [(Value, &str, &str); 6] = [
        (
            submission(json!({"unusable": true})),
            "unusable",
            "nothing can be done",
        ),
        (
            submission(json!({"budget": 12})),
            "budget.max_rollouts",
            "cannot afford one proposal",
        ),
        (
            json!({"algorithm": "mipro", "config_body": {}}),
            "algorithm",
            "mipro",
        ),
        (json!({"algorithm": "gepa"}), "", "config_body"),
        (
            json!({"algorithm": "gepa", "config_body": {}, "auto_start": false}),
            "auto_start",
            "as soon as",
        ),
        (
            json!({"algorithm": "gepa", "config_body": {}, "override": {}}),
            "override",
            "overrides",
        ),
    ];
    for (body, key, message) in cases {
        let answer = post(server.address, JOBS, body).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        let answer = answer.json();
        assert_eq!(answer["problems"][0]["key"], key);
        let told = answer["problems"][0]["message"].as_str().unwrap();
        assert!(told.contains(message), "{told}");
        assert!(answer["error"].as_str().unwrap().contains(message));
    }
    let answer = post(server.address, JOBS, submission(json!({"budget": 12}))).await;
    let budget = &answer.json()["budget"];
    assert_eq!(budget["limit"], 12);
    assert!(budget["floor"].as_u64().unwrap() > 12);
    assert_eq!(get(server.address, JOBS).await["total_count"], 0);
}

#[tokio::test]
async fn a_body_that_is_too_large_or_no_json_is_refused() {
    let server = alone().await;
    let huge = json!({"algorithm": "x".repeat(5 << 20)});
    assert_eq!(post(server.address, JOBS, huge).await.status, 413);
    let answer = ask(server.address, "POST", JOBS, "", Some("{\"algorithm\":")).await;
    assert_eq!(answer.status, 422);
    assert!(answer.is_json());
}

#[tokio::test]
async fn a_request_whose_head_is_too_large_is_refused() {
    let server = alone().await;
    let header = format!("x-padding: {}\r\n", "x".repeat(200 << 10));
    let mut stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let request = format!("GET /health HTTP/1.1\r\nhost: test\r\n{header}\r\n");
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    assert!(!reply.starts_with(b"HTTP/1.1 200"));
    assert_eq!(get(server.address, "/health").await["status"], "ok");
}

#[tokio::test]
async fn overrides_reach_the_job_and_its_stored_config() {
    let server = alone().await;
    let mut body = submission(json!({"budget": 500, "name": "file"}));
    body["overrides"] = json!({"budget": 60});
    let job = post(server.address, JOBS, body).await.json()["job_id"].clone();
    let detail = until(server.address, job.as_str().unwrap(), &["succeeded"]).await;
    assert_eq!(detail["metadata"]["config_body"]["budget"], 60);
    assert!(
        detail["metadata"]["stats"]["total_rollouts"]
            .as_u64()
            .unwrap()
            <= 60
    );
}

#[tokio::test]
async fn jobs_run_in_the_order_submitted_and_no_more_at_once_than_allowed() {
    let ledger = Arc::<Ledger>::default();
    let settings = ServerSettings {
        max_jobs: 1,
        ..quick()
    };
    let server = listen(memory(), &ledger, settings).await;
    let names = ["one", "two", "three", "four"];
    let mut jobs = Vec::new();
    for name in names {
        jobs.push(
            server
                .submit(json!({"name": name, "budget": 40, "pause_ms": 1}))
                .await,
        );
    }
    let waiting = get(server.address, &format!("{JOBS}/{}", jobs[3])).await;
    assert_eq!(waiting["waiting_for"], "a free slot");
    for job in &jobs {
        until(server.address, job, &["succeeded"]).await;
    }
    assert_eq!(*ledger.begun.lock().unwrap(), names);
    let listed = get(server.address, &format!("{JOBS}?status=succeeded&limit=2")).await;
    assert_eq!(listed["total_count"], 4);
    assert_eq!(listed["jobs"][0]["job_id"], *jobs[3]);
    assert_eq!(listed["jobs"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn two_jobs_at_once_do_not_mix() {
    let ledger = Arc::<Ledger>::default();
    let server = listen(memory(), &ledger, quick()).await;
    let script = |name: &str| json!({"name": name, "budget": 80, "pause_ms": 1});
    let (first, second) = (
        server.submit(script("same")).await,
        server.submit(script("same")).await,
    );
    let first = until(server.address, &first, &["succeeded"]).await;
    let second = until(server.address, &second, &["succeeded"]).await;
    for name in ["best_score", "best_validation_score"] {
        assert_eq!(first[name], second[name], "{name}");
    }
    let stats = |job: &Value| job["metadata"]["stats"]["total_rollouts"].as_u64().unwrap();
    let ended = ledger.ended.lock().unwrap().values().sum::<u32>();
    assert_eq!(stats(&first) + stats(&second), u64::from(ended));
}

#[tokio::test]
async fn a_full_queue_refuses_further_jobs() {
    let settings = ServerSettings {
        max_jobs: 1,
        max_queued: 1,
        ..quick()
    };
    let ledger = Arc::<Ledger>::default();
    let server = listen(memory(), &ledger, settings).await;
    let slow = json!({"budget": 40, "pause_ms": 200});
    server.submit(slow.clone()).await;
    while ledger.running.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    server.submit(slow.clone()).await;
    let answer = post(server.address, JOBS, submission(slow)).await;
    assert_eq!(answer.status, 429);
    assert!(
        answer.json()["error"]
            .as_str()
            .unwrap()
            .contains("jobs are waiting")
    );
    server.stop().await;
}

#[tokio::test]
async fn a_fatal_failure_fails_the_job_with_its_reason() {
    let server = alone().await;
    let job = server.submit(json!({"fatal": true})).await;
    let detail = until(server.address, &job, &["failed", "succeeded"]).await;
    assert_eq!(detail["status"], "failed");
    let error = detail["error"].as_str().unwrap();
    assert!(error.contains("the task app refused the key"), "{error}");
    let events = get(server.address, &format!("{JOBS}/{job}/events")).await;
    let last = events["events"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["type"], "prompt.learning.failed");
    assert_eq!(last["level"], "error");
}
