//! Labels and deletion of runs over HTTP, and the roles that they need.

use serde_json::json;

use crate::client::{ask, get, post, until};
use crate::keys::Keyed;
use crate::world::alone;

#[tokio::test]
async fn a_run_is_labelled_while_it_runs_and_deleted_when_it_is_over() {
    let server = alone().await;
    let job = server.submit(json!({"budget": 400, "pause_ms": 20})).await;
    until(server.address, &job, &["running"]).await;
    let path = format!("/api/runs/{job}");
    let labels = format!("{path}/labels");
    let change = json!({"name": "renamed", "add_tags": ["b", "a"], "note": "x", "archived": true});
    let answer = post(server.address, &labels, change).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["tags"], json!(["a", "b"]));
    let listed = get(server.address, "/api/runs").await["runs"][0].clone();
    assert_eq!(listed["name"], "renamed");
    assert_eq!(listed["note"], "x");
    assert!(listed["archived_at"].is_string());
    let view = get(server.address, &format!("{path}/view")).await;
    assert_eq!(view["run"]["tags"], json!(["a", "b"]));
    let refused = [
        post(server.address, &labels, json!({"add_tags": ["a b"]})).await,
        post(server.address, &labels, json!({"colour": "red"})).await,
    ];
    for answer in refused {
        assert_eq!(answer.status, 422, "{}", answer.text);
    }
    let busy = ask(server.address, "DELETE", &path, "", None).await;
    assert_eq!(busy.status, 409, "{}", busy.text);
    let cancel = format!("{}/{job}/cancel", crate::client::JOBS);
    post(server.address, &cancel, json!({})).await;
    until(server.address, &job, &["cancelled"]).await;
    let deleted = ask(server.address, "DELETE", &path, "", None).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text);
    assert!(deleted.json()["freed_bytes"].as_u64() > Some(0));
    let again = ask(server.address, "DELETE", &path, "", None).await;
    assert_eq!(again.status, 404);
    assert_eq!(get(server.address, "/api/runs").await["runs"], json!([]));
    let gone = ask(server.address, "GET", &format!("{path}/view"), "", None).await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn labels_need_the_role_submit_and_deletion_the_role_administer() {
    let server = Keyed::start().await;
    let job = server.finished_job(json!({"budget": 60})).await;
    let path = format!("/api/runs/{job}");
    let labels = format!("{path}/labels");
    let change = || Some(json!({"add_tags": ["x"]}));
    assert_eq!(
        server.ask("read", "POST", &labels, change()).await.status,
        403
    );
    assert_eq!(
        server.ask("abc", "POST", &labels, change()).await.status,
        200
    );
    assert_eq!(server.ask("read", "DELETE", &path, None).await.status, 403);
    assert_eq!(server.ask("abc", "DELETE", &path, None).await.status, 403);
    assert_eq!(server.ask("root", "DELETE", &path, None).await.status, 200);
}
