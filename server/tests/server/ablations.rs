//! Ablations over HTTP, and the role that they need.

use std::time::Duration;

use serde_json::json;

use crate::keys::Keyed;

#[tokio::test]
async fn an_ablation_needs_the_role_submit_and_its_findings_name_who_began_it() {
    let server = Keyed::start().await;
    let script = json!({"budget": 120, "lines": true});
    let job = server.finished_job(script).await;
    let path = format!("/api/runs/{job}/ablation");
    let view = server
        .ask("read", "GET", &format!("/api/runs/{job}/view"), None)
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
    assert_eq!(server.ask("read", "GET", &path, None).await.status, 200);
    assert_eq!(
        server.ask("read", "POST", &path, begin(300)).await.status,
        403
    );
    assert_eq!(server.ask("read", "DELETE", &path, None).await.status, 403);
    let answer = server.ask("abc", "POST", &path, begin(300)).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let mut state = server.ask("abc", "GET", &path, None).await.json();
    while ["running", "waiting"].contains(&state["state"].as_str().unwrap()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        state = server.ask("abc", "GET", &path, None).await.json();
    }
    assert_eq!(state["state"], "done", "{state}");
    assert!(state["executed"].as_u64().unwrap() <= 300, "{state}");
    let event = format!("/api/runs/{job}/events/{}", state["seq"]);
    let noted = server.ask("read", "GET", &event, None).await.json();
    assert_eq!(noted["ablation"]["by"]["who"], "Ada", "{noted}");
}
