//! Requests with and without the key, and the routes for operators.

use std::sync::Arc;

use gepa_server::{OPENAPI, ServerSettings, route_paths};
use serde_json::{Value, json};

use crate::client::{JOBS, ask, get, until};
use crate::world::{Ledger, alone, listen, memory, quick};

/// The routes that hold nothing of any run.
const OPEN: [&str; 4] = ["/health", "/", "/ui/app.js", "/ui/app.css"];

fn documented() -> Vec<(String, Vec<String>)> {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let paths = paths.iter();
    paths
        .map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            let methods = methods.filter(|name| *name != "parameters");
            (
                path.clone(),
                methods.map(|name| name.to_uppercase()).collect(),
            )
        })
        .collect()
}

#[test]
fn the_openapi_document_lists_exactly_the_routes_of_the_server() {
    let listed: Vec<String> = documented().into_iter().map(|(path, _)| path).collect();
    assert_eq!(listed, route_paths());
}

#[tokio::test]
async fn every_documented_route_but_health_and_the_files_of_the_page_requires_the_key() {
    let settings = ServerSettings {
        api_key: Some("correct-horse".to_owned()),
        ..quick()
    };
    assert!(!format!("{settings:?}").contains("correct-horse"));
    let server = listen(memory(), &Arc::<Ledger>::default(), settings).await;
    for (path, methods) in documented() {
        let path = path
            .replace("{job_id}", "pl_0123456789abcdef")
            .replace("{run_id}", "pl_0123456789abcdef")
            .replace("{other_id}", "pl_0123456789abcdef")
            .replace("{snapshot_id}", "x");
        for method in methods {
            for header in [
                "",
                "Authorization: Bearer wrong\r\n",
                "X-API-Key: correct-hors\r\n",
            ] {
                let answer = ask(server.address, &method, &path, header, None).await;
                if OPEN.contains(&path.as_str()) {
                    assert_eq!(answer.status, 200, "{path}");
                } else {
                    assert_eq!(answer.status, 401, "{method} {path} with {header:?}");
                    assert!(answer.is_json());
                }
            }
            for header in [
                "Authorization: Bearer correct-horse\r\n",
                "authorization: bearer correct-horse\r\n",
                "X-API-Key: correct-horse\r\n",
            ] {
                let answer = ask(server.address, &method, &path, header, None).await;
                assert!(![401, 405, 500].contains(&answer.status), "{method} {path}");
            }
        }
    }
    let nowhere = ask(server.address, "GET", "/nowhere", "", None).await;
    assert_eq!(nowhere.status, 401);
}

#[tokio::test]
async fn metrics_count_what_jobs_did() {
    let server = alone().await;
    let job = server.submit(json!({"budget": 60})).await;
    until(server.address, &job, &["succeeded"]).await;
    let answer = ask(server.address, "GET", "/metrics", "", None).await;
    assert_eq!(answer.status, 200);
    let counted = answer
        .text
        .lines()
        .find(|line| line.starts_with("gepa_rollouts_total{"));
    assert!(counted.is_some(), "{}", answer.text);
    assert!(!answer.text.contains(&job));
    assert_eq!(get(server.address, "/health").await["status"], "ok");
    let document = get(server.address, "/openapi.json").await;
    assert!(document["paths"][JOBS].is_object());
}
