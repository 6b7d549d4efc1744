//! The responses of the server, and where they break off.

use std::io;
use std::time::Duration;

use futures::stream;
use http_body_util::StreamBody;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Frame};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::worlds::{Answer, Role};

/// A body that may break off.
pub(super) type Reply = Response<BoxBody<Bytes, io::Error>>;

pub(super) fn json_reply(status: StatusCode, body: &Value) -> Reply {
    reply(status, "application/json", body.to_string())
}

/// An error in the form of OpenAI's.
pub(super) fn error_reply(status: StatusCode, code: &str, message: &str) -> Reply {
    let error = json!({"message": message, "type": code, "code": code});
    json_reply(status, &json!({ "error": error }))
}

/// Status 429, with the wait in whole seconds and in milliseconds.
pub(super) fn refusal(retry_after: Duration) -> Reply {
    let message = "the limit is reached; try again after the time in `retry-after`";
    let mut reply = error_reply(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message);
    let milliseconds = retry_after.as_secs_f64() * 1e3;
    let seconds = HeaderValue::from(retry_after.as_secs_f64().ceil() as u64);
    let headers = reply.headers_mut();
    headers.insert(RETRY_AFTER, seconds);
    headers.insert(
        "retry-after-ms",
        HeaderValue::from(milliseconds.ceil() as u64),
    );
    reply
}

/// A chat completion, as one body or as a stream of events.
pub(super) fn completion(role: Role, answer: &Answer, streams: bool, reports_usage: bool) -> Reply {
    let usage = reports_usage.then(|| {
        json!({
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        })
    });
    if streams {
        let events = events(role, &answer.text, usage);
        return reply(StatusCode::OK, "text/event-stream", events);
    }
    let message = json!({"role": "assistant", "content": answer.text});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    let mut body = envelope(role, "chat.completion", &json!([choice]));
    if let Some(usage) = usage {
        body["usage"] = usage;
    }
    json_reply(StatusCode::OK, &body)
}

/// Only the first half of a reply.
pub(super) async fn truncated(whole: Reply) -> Reply {
    let (mut parts, body) = whole.into_parts();
    let bytes = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(_) => Bytes::new(),
    };
    parts.headers.insert(CONTENT_LENGTH, bytes.len().into());
    let half = bytes.slice(..bytes.len() / 2);
    let broken = io::Error::from(io::ErrorKind::ConnectionAborted);
    let frames = stream::iter([Ok(Frame::data(half)), Err(broken)]);
    Response::from_parts(parts, BodyExt::boxed(StreamBody::new(frames)))
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Reply {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
    let mut reply = Response::new(BodyExt::boxed(body));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// Server-sent events: the text word by word, the end, the usage.
fn events(role: Role, text: &str, usage: Option<Value>) -> String {
    let object = "chat.completion.chunk";
    let mut chunks: Vec<Value> = text
        .split_inclusive(' ')
        .map(|word| {
            let choice = json!({"index": 0, "delta": {"content": word}, "finish_reason": null});
            envelope(role, object, &json!([choice]))
        })
        .collect();
    let last = json!({"index": 0, "delta": {}, "finish_reason": "stop"});
    chunks.push(envelope(role, object, &json!([last])));
    if let Some(usage) = usage {
        let mut chunk = envelope(role, object, &json!([]));
        chunk["usage"] = usage;
        chunks.push(chunk);
    }
    let mut events = String::new();
    for chunk in chunks {
        events.extend(["data: ", &chunk.to_string(), "\n\n"]);
    }
    events.push_str("data: [DONE]\n\n");
    events
}

fn envelope(role: Role, object: &str, choices: &Value) -> Value {
    json!({
        "id": "chatcmpl-world",
        "object": object,
        "created": 0,
        "model": role.as_str(),
        "choices": choices,
    })
}
