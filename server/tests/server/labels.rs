//! Labels and deletion of runs over HTTP, and the roles that they need.

use std::sync::Arc;

use gepa_server::ServerSettings;
use serde_json::{Value, json};

use crate::client::{Answer, ask, get, post, until};
use crate::world::{Ledger, alone, listen, memory, quick};

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
    let folder = tempfile::TempDir::new().unwrap();
    let keys = folder.path().join("keys.toml");
    // The SHA-256 of `abc` and of `read`.
    let text = "[[keys]]\nname = \"ci\"\nrole = \"submit\"\n\
         sha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\n\
         [[keys]]\nname = \"eye\"\nrole = \"read\"\n\
         sha256 = \"READ\"\n"
        .replace("READ", READ);
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
    let submission = crate::world::submission(json!({"budget": 60}));
    let job = with("abc", "POST", crate::client::JOBS, Some(submission)).await;
    let job = job.json()["job_id"].as_str().unwrap().to_owned();
    let detail = format!("{}/{job}", crate::client::JOBS);
    while with("root", "GET", &detail, None).await.json()["status"] != "succeeded" {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let path = format!("/api/runs/{job}");
    let labels = format!("{path}/labels");
    let change = || Some(json!({"add_tags": ["x"]}));
    assert_eq!(with("read", "POST", &labels, change()).await.status, 403);
    assert_eq!(with("abc", "POST", &labels, change()).await.status, 200);
    assert_eq!(with("read", "DELETE", &path, None).await.status, 403);
    assert_eq!(with("abc", "DELETE", &path, None).await.status, 403);
    assert_eq!(with("root", "DELETE", &path, None).await.status, 200);
}

/// The SHA-256 of `read`.
pub(crate) const READ: &str = "3316348dbadfb7b11c7c2ea235949419e23f9fa898ad2c198f999617912a9925";
