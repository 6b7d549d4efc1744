//! Fuzzes paths, query strings and bodies of the HTTP API.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Uri, header};
use gepa_models::Environment;
use gepa_tasks::Services;
use gepa_server::{ConfiguredJobs, Server, ServerSettings};
use gepa_store::MemoryStore;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

const LARGEST_ANSWER: usize = 64 << 20;

/// A method, a path with its query, and a body, on three lines; the last may hold more lines.
pub(crate) fn query(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, '\n');
    let (Some(method), Some(path)) = (parts.next(), parts.next()) else {
        return;
    };
    let (Ok(method), Ok(uri)) = (method.parse::<axum::http::Method>(), path.parse::<Uri>()) else {
        return;
    };
    let body = parts.next().unwrap_or_default().to_owned();
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body));
    let Ok(request) = request else { return };
    let (runtime, _, router) = served();
    runtime.block_on(async {
        let response = router.clone().oneshot(request).await;
        let response = response.expect("a router answers everything");
        let status = response.status();
        let kind = response.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("text/event-stream") {
            return;
        }
        let is_json = kind.starts_with("application/json");
        let bytes = to_bytes(response.into_body(), LARGEST_ANSWER).await;
        let bytes = bytes.expect("answers are bounded");
        if is_json && !bytes.is_empty() {
            serde_json::from_slice::<serde_json::Value>(&bytes)
                .expect("what is called JSON is JSON");
        }
        assert!(
            status.as_u16() != 500,
            "500: {}",
            String::from_utf8_lossy(&bytes)
        );
    });
}

fn served() -> &'static (Runtime, Server, Router) {
    static SERVED: OnceLock<(Runtime, Server, Router)> = OnceLock::new();
    SERVED.get_or_init(|| {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let environment = Environment::of([("GROQ_API_KEY", "k"), ("ENVIRONMENT_API_KEY", "k")]);
        let services = Arc::new(Services::new(environment.clone()));
        let source = Arc::new(ConfiguredJobs::new(environment, services));
        let store = Arc::new(MemoryStore::new());
        let server = Server::start(store, source, ServerSettings::default());
        let server = runtime.block_on(server).expect("an empty store");
        let router = server.router();
        (runtime, server, router)
    })
}
