//! Ablations over HTTP, and the role that they need.

use std::sync::Arc;
use std::time::Duration;

use gepa_server::ServerSettings;
use serde_json::{Value, json};

use crate::client::{Answer, JOBS, ask};
use crate::labels::READ;
use crate::world::{Ledger, listen, memory, quick, submission};

/// The SHA-256 of `abc`.
const SUBMIT: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[tokio::test]
async fn an_ablation_needs_the_role_submit_and_its_findings_name_who_began_it() {
    let folder = tempfile::TempDir::new().unwrap();
    let keys = folder.path().join("keys.toml");
    let key = |name: &str, role: &str, sha256: &str| {
        format!(
            "[[keys]]\nname = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{sha256}\"\ntenant = \"t\"\n"
        )
    };
    let text = key("eye", "read", READ) + &key("ci", "submit", SUBMIT);
    std::fs::write(&keys, text).unwrap();
    let settings = ServerSettings {
        api_key: Some("root".to_owned()),
        keys_file: Some(keys),
        ..quick()
    };
    let server = listen(memory(), &Arc::<Ledger>::default(), settings).await;
    let with = async |key: &str, method: &str, path: &str, body: Option<Value>| -> Answer {
        let header = format!("Authorization: Bearer {key}\r\n");
        let body = body.map(|body| body.to_string());
        ask(server.address, method, path, &header, body.as_deref()).await
    };
    let script = submission(json!({"budget": 120, "lines": true}));
    let job = with("abc", "POST", JOBS, Some(script)).await;
    let job = job.json()["job_id"].as_str().unwrap().to_owned();
    while with("root", "GET", &format!("{JOBS}/{job}"), None)
        .await
        .json()["status"]
        != "succeeded"
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let path = format!("/api/runs/{job}/ablation");
    let view = with("read", "GET", &format!("/api/runs/{job}/view"), None)
        .await
        .json();
    let iterations = view["candidates"]["iteration"].as_array().unwrap();
    let proposed = iterations
        .iter()
        .find(|one| one.as_u64() > Some(0))
        .unwrap();
    let begin = |rollouts: u64| {
        Some(json!({"iteration": proposed, "max_rollouts": rollouts, "who": "Ada"}))
    };
    assert_eq!(with("read", "GET", &path, None).await.status, 200);
    assert_eq!(with("read", "POST", &path, begin(300)).await.status, 403);
    assert_eq!(with("read", "DELETE", &path, None).await.status, 403);
    let answer = with("abc", "POST", &path, begin(300)).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let mut state = with("abc", "GET", &path, None).await.json();
    while ["running", "waiting"].contains(&state["state"].as_str().unwrap()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        state = with("abc", "GET", &path, None).await.json();
    }
    assert_eq!(state["state"], "done", "{state}");
    assert!(state["executed"].as_u64().unwrap() <= 300, "{state}");
    let event = format!("/api/runs/{job}/events/{}", state["seq"]);
    let noted = with("read", "GET", &event, None).await.json();
    assert_eq!(noted["ablation"]["by"]["who"], "Ada", "{noted}");
}
