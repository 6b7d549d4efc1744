//! Checks that a request carries the server's key.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::dashboard;
use crate::failure::Failure;

/// The only route beside the page itself that answers without a key.
const OPEN: &str = "/health";

/// The hash of the server's key. Comparing hashes takes the same time wherever they differ, so the
/// time of an answer shows nothing about the key.
#[derive(Clone)]
pub(crate) struct ApiKey(Option<Arc<blake3::Hash>>);

impl ApiKey {
    pub(crate) fn new(api_key: Option<&str>) -> Self {
        Self(api_key.map(|key| Arc::new(blake3::hash(key.as_bytes()))))
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(expected) = &self.0 else {
            return true;
        };
        // `blake3::Hash` compares in constant time.
        presented(headers).is_some_and(|key| blake3::hash(key) == **expected)
    }
}

/// Passes a request on if its key is right, and otherwise answers 401.
pub(crate) async fn check(State(api_key): State<ApiKey>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path == OPEN || dashboard::is_shell(path) || api_key.admits(request.headers()) {
        return next.run(request).await;
    }
    let message =
        "the key is missing or wrong; send `Authorization: Bearer` with the server's GEPA_API_KEY";
    Failure::new(StatusCode::UNAUTHORIZED, message).into_response()
}

fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        return scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| key.trim().as_bytes());
    }
    headers.get("x-api-key").map(HeaderValue::as_bytes)
}
