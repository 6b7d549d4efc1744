//! The lines themselves: hello, request, reply.

use std::sync::Arc;

use gepa_archive::Candidate;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use gepa_evaluation::{
    Evaluation, ExampleId, FailureKind, MicroUsd, Outcome, Phase, RolloutRequest, Scored, Stage,
    Usage,
};

/// The version of the line protocol; a process says in its first line which one it speaks.
pub const PROTOCOL_VERSION: u64 = 1;

/// One rollout, as a line to the process.
#[derive(Debug, Serialize)]
pub(super) struct RequestLine<'a> {
    pub(super) id: u64,
    candidate: &'a Candidate,
    example: &'a ExampleId,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<serde_json::Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a str>,
    run_id: &'a str,
    trial_id: &'a str,
    trial_index: u32,
    stage: Stage,
    phase: Phase,
    iteration: u64,
    attempt: u32,
    wants_trace: bool,
    timeout_seconds: f64,
}

impl<'a> RequestLine<'a> {
    pub(super) fn new(
        id: u64,
        request: &'a RolloutRequest,
        row: Option<&'a crate::dataset::Row>,
        timeout_seconds: f64,
    ) -> Self {
        Self {
            id,
            candidate: &request.candidate,
            example: &request.example,
            fields: row.map(crate::dataset::Row::input_values),
            expected: row.and_then(crate::dataset::Row::answer),
            run_id: &request.run_id,
            trial_id: &request.trial_id,
            trial_index: request.trial_index,
            stage: request.stage,
            phase: request.phase(),
            iteration: request.iteration,
            attempt: request.attempt,
            wants_trace: request.wants_trace(),
            timeout_seconds,
        }
    }
}

#[derive(Debug, Deserialize)]
struct HelloLine {
    protocol: u64,
}

#[derive(Debug, Deserialize)]
struct ReplyLine {
    id: u64,
    #[serde(default)]
    score: Option<f64>,
    #[serde(default)]
    error: Option<ReplyError>,
    #[serde(default)]
    objectives: Option<IndexMap<Arc<str>, f64>>,
    #[serde(default)]
    feedback: Option<String>,
    #[serde(default)]
    output: Option<Value>,
    #[serde(default)]
    trace: Option<serde_json::Map<String, Value>>,
    #[serde(default)]
    usage: Option<ReplyUsage>,
}

#[derive(Debug, Deserialize)]
struct ReplyError {
    #[serde(default = "permanent")]
    kind: FailureKind,
    message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReplyUsage {
    calls: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    cached_tokens: u64,
    unknown_tokens: u64,
    cost_usd: Option<f64>,
}

/// Checks the first line of a process; says what is wrong with it otherwise.
pub(crate) fn check_hello(line: &[u8]) -> Result<(), String> {
    let hello: HelloLine = parse(line, r#"its first line must be {"protocol": 1}"#)?;
    if hello.protocol == PROTOCOL_VERSION {
        return Ok(());
    }
    Err(format!(
        "it speaks protocol {}, this engine speaks {PROTOCOL_VERSION}",
        hello.protocol
    ))
}

/// Reads the reply to request `id`; says what is wrong with it otherwise.
pub(crate) fn read_reply(line: &[u8], id: u64) -> Result<Evaluation, String> {
    let reply: ReplyLine = parse(
        line,
        "every line on stdout must be one reply; print anything else on stderr",
    )?;
    if reply.id < id && reply.id > 0 {
        return Err(format!(
            "it answered request {} again, while {id} was asked",
            reply.id
        ));
    }
    if reply.id != id {
        return Err(format!(
            "it answered request {}, while {id} was asked",
            reply.id
        ));
    }
    let usage = reply.usage.unwrap_or_default().into_usage();
    let outcome = match (reply.score, reply.error) {
        (Some(score), None) => Outcome::Scored(Scored {
            score,
            objectives: reply.objectives.unwrap_or_default(),
            feedback: reply.feedback,
            output: reply.output.map(plain_text),
            trace: reply.trace.map(Value::Object),
        }),
        (None, Some(error)) => Outcome::failed(error.kind, error.message),
        (Some(_), Some(_)) => return Err("its reply has both `score` and `error`".to_owned()),
        (None, None) => return Err("its reply has neither `score` nor `error`".to_owned()),
    };
    Ok(Evaluation::with_usage(outcome.checked(), usage))
}

impl ReplyUsage {
    fn into_usage(self) -> Usage {
        let tokens = self.prompt_tokens.saturating_add(self.completion_tokens);
        let used_model = self.calls > 0 || tokens > 0 || self.unknown_tokens > 0;
        let calls = if used_model { self.calls.max(1) } else { 0 };
        Usage {
            calls,
            prompt_tokens: self.prompt_tokens,
            completion_tokens: self.completion_tokens,
            cached_tokens: self.cached_tokens,
            unknown_tokens: self.unknown_tokens,
            cost: MicroUsd::from_dollars(self.cost_usd.unwrap_or(0.0)),
            unpriced_calls: if self.cost_usd.is_some() { 0 } else { calls },
        }
    }
}

fn permanent() -> FailureKind {
    FailureKind::Permanent
}

fn plain_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn parse<'l, T: Deserialize<'l>>(line: &'l [u8], rule: &str) -> Result<T, String> {
    const SHOWN: usize = 200;
    let Ok(text) = std::str::from_utf8(line) else {
        return Err(format!("it printed a line that is not UTF-8; {rule}"));
    };
    serde_json::from_str(text).map_err(|error| {
        let shown: String = text.chars().take(SHOWN).collect();
        let hint = if text.contains("NaN") || text.contains("Infinity") {
            " (JSON has no NaN and no Infinity)"
        } else {
            ""
        };
        format!("it printed `{shown}`, which cannot be read: {error}{hint}; {rule}")
    })
}
