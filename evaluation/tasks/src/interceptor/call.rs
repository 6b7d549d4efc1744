//! One call of an app, from its request to the answer.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde_json::{Map, Value};
use tokio::time::Instant;
use tracing::Instrument;

use super::answer::{Answer, error_answer};
use super::body::{BodyMemory, LARGEST_BODY, ReadBody, Unread};
use super::open_call::{NotForwarded, OpenCall};
use super::record::{CallOutcome, CallRecord};
use super::registry::{LeaseState, Registry};
use super::route::route;
use super::streaming::stream;
use super::substitution::{Refusal, Substitution};
use super::telemetry::{InFlight, count};
use gepa_evaluation::{Message, Usage};

/// Answers a request.
pub(super) async fn handle(
    request: Request<Incoming>,
    registry: Arc<Registry>,
    memory: BodyMemory,
) -> Answer {
    let uri = request.uri().clone();
    let Some(route) = route(uri.path(), uri.query()) else {
        let message = "only POST /v1/<trial id>/chat/completions is served here";
        return error_answer(StatusCode::NOT_FOUND, "not_found", message);
    };
    let Some(lease) = registry.find(route.trial_id) else {
        count("unknown_id");
        let message = "this trial id is not valid (any more): it ends with its rollout";
        return error_answer(StatusCode::NOT_FOUND, "unknown_trial_id", message);
    };
    if request.method() != Method::POST {
        let message = "only POST is served here";
        return error_answer(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            message,
        );
    }
    let started = Instant::now();
    let read = tokio::select! {
        read = memory.read(request.into_body()) => read,
        () = lease.ended() => return ended(),
    };
    let ReadBody { bytes, memory } = match read {
        Ok(body) => body,
        Err(unread) => return unread_answer(&lease, unread),
    };
    let span = tracing::debug_span!(
        "interceptor.call",
        rule = tracing::field::Empty,
        outcome = tracing::field::Empty
    );
    let correlation_id = route.correlation_id.map(str::to_owned);
    let answered = answer(Arc::clone(&lease), correlation_id, bytes, started);
    let answered = lease.within_rollout(answered);
    let result = tokio::select! {
        answered = answered.instrument(span) => answered,
        () = lease.ended() => ended(),
    };
    drop(memory);
    result
}

async fn answer(
    lease: Arc<LeaseState>,
    correlation_id: Option<String>,
    bytes: Vec<u8>,
    started: Instant,
) -> Answer {
    let mut call = OpenCall {
        spending: Arc::default(),
        answer_by: started + lease.terms.answer_within,
        started,
        slot: None,
        provider_time: Duration::ZERO,
        _in_flight: InFlight::enter(),
        lease,
    };
    let mut record = empty_record();
    record.correlation_id = correlation_id;
    let prepared = prepare(&call.lease, &bytes, &mut record);
    drop(bytes);
    if let Some(placed) = record.substitution.as_ref().and_then(|s| s.placed.first()) {
        tracing::Span::current().record("rule", placed.rule.as_str());
    }
    call.slot = call.lease.begin(record, &call.spending);
    if call.slot.is_none() {
        let message = "this rollout made too many calls, or has ended";
        return error_answer(StatusCode::TOO_MANY_REQUESTS, "too_many_calls", message);
    }
    match prepared {
        Err(refused) => call.refuse(refused),
        Ok(body) if body.get("stream").and_then(Value::as_bool) == Some(true) => {
            stream(call, &body).await
        }
        Ok(body) => call.forward(&body).await,
    }
}

/// The body to forward: the candidate's messages, the policy's settings, and the other fields of
/// the app's call.
fn prepare(
    lease: &LeaseState,
    bytes: &[u8],
    record: &mut CallRecord,
) -> Result<Value, NotForwarded> {
    let mut body: Map<String, Value> = match serde_json::from_slice(bytes) {
        Ok(Value::Object(body)) => body,
        Ok(_) | Err(_) => return Err(malformed("the body is not a JSON object")),
    };
    let Some(Value::Array(messages)) = body.get_mut("messages") else {
        return Err(malformed("the body has no list of `messages`"));
    };
    record.fingerprint = fingerprint(messages);
    let plan = &lease.terms.plan;
    let module = lease.module_of(record.fingerprint, plan.module_by_text(messages));
    record.module = module.and_then(|module| plan.module_component(module).cloned());
    let substitution = plan
        .apply(messages, &lease.terms.candidate, module)
        .map_err(|refusal| refused(&refusal))?;
    record.messages = messages.iter().filter_map(text_message).collect();
    report(&substitution);
    record.substitution = Some(substitution);
    Ok(lease.terms.policy.proxied_body(body))
}

fn empty_record() -> CallRecord {
    CallRecord {
        correlation_id: None,
        fingerprint: 0,
        module: None,
        substitution: None,
        messages: Vec::new(),
        usage: Usage::default(),
        outcome: CallOutcome::Abandoned,
    }
}

/// A fingerprint that is equal for calls with equal content.
fn fingerprint(messages: &[Value]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for message in messages {
        message.hash(&mut hasher);
    }
    hasher.finish()
}

fn text_message(message: &Value) -> Option<Message> {
    let role = message.get("role").and_then(Value::as_str)?;
    let text = match message.get("content")? {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .collect(),
        _ => return None,
    };
    Some(Message::new(role, text))
}

fn report(substitution: &Substitution) {
    for component in &substitution.kept {
        tracing::debug!(
            component = &**component,
            "a message went out as the app sent it: its wildcards have no values"
        );
    }
}

fn malformed(message: &str) -> NotForwarded {
    NotForwarded {
        status: StatusCode::BAD_REQUEST,
        code: "malformed_request",
        outcome: CallOutcome::Rejected {
            message: format!("the app's model call cannot be used: {message}"),
        },
    }
}

fn refused(refusal: &Refusal) -> NotForwarded {
    let message = refusal.to_string();
    let outcome = match refusal {
        Refusal::NothingMatched { .. } | Refusal::TextWouldBeLost { .. } => {
            CallOutcome::NotSubstituted { message }
        }
        Refusal::MissingValues { .. } => CallOutcome::Rejected { message },
    };
    NotForwarded {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        code: "nothing_substituted",
        outcome,
    }
}

fn ended() -> Answer {
    let message = "the rollout of this trial id has ended";
    error_answer(StatusCode::NOT_FOUND, "unknown_trial_id", message)
}

/// Answers a request that was not read, and records it as a call of the app.
fn unread_answer(lease: &LeaseState, unread: Unread) -> Answer {
    let (status, code, message) = match unread {
        Unread::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("a model call may have at most {LARGEST_BODY} bytes"),
        ),
        Unread::TooSlow => (
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            "the model call did not arrive in time".to_owned(),
        ),
        Unread::Broken => (
            StatusCode::BAD_REQUEST,
            "broken_request",
            "the model call broke off".to_owned(),
        ),
    };
    count("rejected");
    if let Some(slot) = lease.begin(empty_record(), &Arc::default()) {
        let message = message.clone();
        lease.finish(slot, CallOutcome::Rejected { message });
    }
    error_answer(status, code, &message)
}
