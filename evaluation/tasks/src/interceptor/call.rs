//! One call of an app, from its request to the answer.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::answer::{Answer, error_answer, json_answer, provider_error};
use super::body::{BodyMemory, LARGEST_BODY, ReadBody, Unread};
use super::record::{CallOutcome, CallRecord};
use super::registry::{CallSlot, LeaseState, Registry};
use super::route::route;
use super::streaming::stream;
use super::substitution::{Refusal, Substitution};
use super::telemetry::{InFlight, added, count, label};
use gepa_evaluation::{Message, Purpose, Usage};
use gepa_models::{ForwardError, RawReply, Spending};

/// A call that is ready to be forwarded, and the place where it is written down.
pub(super) struct OpenCall {
    pub(super) lease: Arc<LeaseState>,
    pub(super) spending: Arc<Spending>,
    pub(super) answer_by: Instant,
    started: Instant,
    slot: Option<CallSlot>,
    /// How long the provider took.
    provider_time: Duration,
    _in_flight: InFlight,
}

/// A call that is not forwarded.
struct NotForwarded {
    status: StatusCode,
    code: &'static str,
    outcome: CallOutcome,
}

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

impl OpenCall {
    async fn forward(mut self, body: &Value) -> Answer {
        let policy = Arc::clone(&self.lease.terms.policy);
        let sent = Instant::now();
        let forwarded = policy.forward_watched(body, Purpose::Rollout, &self.spending);
        let result = timeout_at(self.answer_by, forwarded).await;
        self.provider_time = sent.elapsed();
        match result {
            Ok(Ok(reply)) => self.answered(&reply),
            Ok(Err(failure)) => self.failed(&failure),
            Err(_) => self.timed_out(),
        }
    }

    fn answered(mut self, reply: &RawReply) -> Answer {
        let completion = reply.completion();
        self.finish(CallOutcome::Answered {
            text: completion.text,
            tool_calls: completion.tool_calls,
            finish_reason: completion.finish_reason,
        });
        json_answer(StatusCode::OK, reply.body_with_usage())
    }

    pub(super) fn failed(mut self, failure: &ForwardError) -> Answer {
        self.finish(CallOutcome::Failed {
            kind: failure.error.kind,
            status: failure.status,
            message: failure.error.message.clone(),
        });
        provider_error(failure)
    }

    pub(super) fn timed_out(mut self) -> Answer {
        let terms = &self.lease.terms;
        let message = format!(
            "the model gave no answer within the {} s the app can wait",
            terms.answer_within.as_secs_f64()
        );
        let provider_down = terms.policy.is_provider_down();
        self.finish(CallOutcome::TimedOut {
            message: message.clone(),
            provider_down,
        });
        error_answer(StatusCode::GATEWAY_TIMEOUT, "timeout", &message)
    }

    fn refuse(mut self, refused: NotForwarded) -> Answer {
        let message = match &refused.outcome {
            CallOutcome::NotSubstituted { message } | CallOutcome::Rejected { message } => {
                message.clone()
            }
            _ => String::new(),
        };
        self.finish(refused.outcome);
        error_answer(refused.status, refused.code, &message)
    }

    pub(super) fn provider_took(&mut self, time: Duration) {
        self.provider_time += time;
    }

    /// Records how the call ended; only the first end counts.
    pub(super) fn finish(&mut self, outcome: CallOutcome) {
        let Some(slot) = self.slot.take() else {
            return;
        };
        let name = label(&outcome);
        tracing::Span::current().record("outcome", name);
        count(name);
        self.lease.finish(slot, outcome);
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.finish(CallOutcome::Abandoned);
        added(self.started.elapsed().saturating_sub(self.provider_time));
    }
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
