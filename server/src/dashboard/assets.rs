//! The page: built from `server/ui/` and embedded.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

pub(super) const SCRIPT: &str = include_str!("../../ui/dist/app.js");
pub(super) const STYLE: &str = include_str!("../../ui/dist/app.css");

const SHELL: &str = include_str!("../../ui/src/index.html");
const SCRIPT_PATH: &str = "/ui/app.js";
const STYLE_PATH: &str = "/ui/app.css";

/// Nothing is loaded from elsewhere, and no script runs but the one that is served.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whether the path is one of the page's files. They hold nothing of any run, so they need no key;
/// the page asks for the key and sends it with each request for data.
pub(crate) fn is_shell(path: &str) -> bool {
    matches!(path, "/" | SCRIPT_PATH | STYLE_PATH)
}

pub(super) async fn shell() -> Response {
    file("text/html; charset=utf-8", SHELL)
}

pub(super) async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

pub(super) async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

fn file(media_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    (headers, text).into_response()
}
