//! Who is let in.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::failure::Failure;

/// The one route that answers without a key.
const OPEN: &str = "/health";

/// The key of a server, as its hash: comparing hashes takes the same time wherever they differ.
#[derive(Clone)]
pub(crate) struct Gate(Option<Arc<blake3::Hash>>);

impl Gate {
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

/// Lets a request through or answers 401.
pub(crate) async fn check(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    if request.uri().path() == OPEN || gate.admits(request.headers()) {
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
