//! Answers and errors in OpenAI's format.

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use gepa_models::ForwardError;

/// The response to an app.
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, std::io::Error>>;

/// A JSON body.
pub(super) fn json_answer(status: StatusCode, body: Vec<u8>) -> Answer {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}

/// An error of the interceptor itself.
pub(super) fn error_answer(status: StatusCode, code: &str, message: &str) -> Answer {
    let kind = if status.is_server_error() {
        "server_error"
    } else {
        "invalid_request_error"
    };
    let body = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    json_answer(status, body.to_string().into_bytes())
}

/// The provider's error as it came; without an answer, an error that names the failure.
pub(super) fn provider_error(failure: &ForwardError) -> Answer {
    let sent = failure.status.and_then(|status| {
        let status = StatusCode::from_u16(status).ok()?;
        (status.is_client_error() || status.is_server_error()).then_some(status)
    });
    let Some(status) = sent else {
        let message = &failure.error.message;
        return error_answer(StatusCode::BAD_GATEWAY, "provider_unavailable", message);
    };
    let is_json = serde_json::from_str::<Value>(&failure.body).is_ok_and(|body| !body.is_null());
    if is_json {
        return json_answer(status, failure.body.clone().into_bytes());
    }
    error_answer(status, "provider_error", &failure.error.message)
}
