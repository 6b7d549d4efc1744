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

#[tokio::test]
async fn the_list_of_runs_comes_in_pages_and_says_how_many_there_are() {
    let server = alone().await;
    let mut jobs = Vec::new();
    for name in ["one", "two", "three", "four", "five"] {
        let job = server.submit(json!({"budget": 60, "name": name})).await;
        until(server.address, &job, &["succeeded"]).await;
        jobs.insert(0, job);
    }
    let change = json!({"add_tags": ["kept"], "archived": true});
    let labels = format!("/api/runs/{}/labels", jobs[1]);
    post(server.address, &labels, change).await;
    let listed = async |query: &str| {
        let listed = get(server.address, &format!("/api/runs?{query}")).await;
        assert_eq!(listed["of"], 5);
        assert_eq!(listed["tags"], json!(["kept"]));
        let runs = listed["runs"].as_array().unwrap().clone();
        let ids: Vec<String> = runs
            .iter()
            .map(|run| run["run_id"].as_str().unwrap().to_owned())
            .collect();
        (ids, listed["meant"].as_u64().unwrap())
    };
    assert_eq!(listed("").await, (jobs.clone(), 5));
    let (mut found, mut before) = (Vec::new(), String::new());
    loop {
        let (page, meant) = listed(&format!("archived=false&limit=2{before}")).await;
        assert_eq!(meant, 4);
        let Some(last) = page.last() else { break };
        before = format!("&before={last}");
        found.extend(page);
    }
    let shown = [&jobs[..1], &jobs[2..]].concat();
    assert_eq!(found, shown);
    assert_eq!(listed("tag=kept").await, (vec![jobs[1].clone()], 1));
    assert_eq!(listed("name=two").await, (vec![jobs[3].clone()], 1));
    assert_eq!(listed("q=TWO&limit=0").await, (vec![], 1));
    assert_eq!(listed("status=succeeded&limit=1").await.1, 5);
    for status in ["running", "killed", "failed"] {
        assert_eq!(listed(&format!("status={status}")).await, (vec![], 0));
    }
    for query in ["status=lost", "before=x", "limit=-1"] {
        let path = format!("/api/runs?{query}");
        let refused = ask(server.address, "GET", &path, "", None).await;
        assert!(
            (400..500).contains(&refused.status),
            "{query}: {}",
            refused.text
        );
    }
    let path = format!("{}?status=succeeded&limit=2", crate::client::JOBS);
    let listed = get(server.address, &path).await;
    assert_eq!(listed["total_count"], 5);
    assert_eq!(listed["jobs"].as_array().unwrap().len(), 2);
    let none = get(
        server.address,
        &format!("{}?status=lost", crate::client::JOBS),
    )
    .await;
    assert_eq!(none, json!({"jobs": [], "total_count": 0}));
}
