//! The lines themselves: hello, request, reply.

use std::num::NonZeroUsize;
use std::sync::Arc;

use gepa_archive::Candidate;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dataset::Row;
use gepa_evaluation::{
    Evaluation, ExampleId, FailureKind, MicroUsd, Outcome, Phase, Scored, Stage, TrialBatch, Usage,
};

/// The newest version of the line protocol; a process says in its first line which one it speaks.
/// Version 1, one rollout at a time, is spoken as well.
pub const PROTOCOL_VERSION: u64 = 2;

/// How a process wants its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    /// Protocol 1: one rollout a line.
    Single,
    /// Protocol 2: at most so many rollouts of a trial a line; whole trials if absent.
    Batches(Option<NonZeroUsize>),
}

impl Speech {
    /// The most rollouts in one line.
    pub(super) fn largest_batch(self) -> Option<NonZeroUsize> {
        match self {
            Self::Single => Some(NonZeroUsize::MIN),
            Self::Batches(largest) => largest,
        }
    }
}

/// One rollout, as a line to a process that speaks protocol 1.
#[derive(Debug, Serialize)]
pub(super) struct RequestLine<'a> {
    #[serde(flatten)]
    example: ExampleLine<'a>,
    #[serde(flatten)]
    trial: TrialLine<'a>,
}

/// Rollouts of a trial, as a line to a process that speaks protocol 2.
#[derive(Debug, Serialize)]
pub(super) struct BatchLine<'a> {
    batch: u64,
    #[serde(flatten)]
    trial: TrialLine<'a>,
    examples: Vec<ExampleLine<'a>>,
}

/// What all rollouts of a line have in common.
#[derive(Debug, Serialize)]
pub(super) struct TrialLine<'a> {
    candidate: &'a Candidate,
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

/// What belongs to one rollout of a line.
#[derive(Debug, Serialize)]
pub(super) struct ExampleLine<'a> {
    id: u64,
    example: &'a ExampleId,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<serde_json::Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a str>,
}

impl<'a> RequestLine<'a> {
    pub(super) fn new(trial: TrialLine<'a>, example: ExampleLine<'a>) -> Self {
        Self { example, trial }
    }
}

impl<'a> BatchLine<'a> {
    pub(super) fn new(batch: u64, trial: TrialLine<'a>, examples: Vec<ExampleLine<'a>>) -> Self {
        Self {
            batch,
            trial,
            examples,
        }
    }
}

impl<'a> TrialLine<'a> {
    pub(super) fn new(batch: &'a TrialBatch, timeout_seconds: f64) -> Self {
        Self {
            candidate: &batch.candidate,
            run_id: &batch.run_id,
            trial_id: &batch.trial_id,
            trial_index: batch.trial_index,
            stage: batch.stage,
            phase: batch.phase(),
            iteration: batch.iteration,
            attempt: batch.attempt,
            wants_trace: batch.wants_trace(),
            timeout_seconds,
        }
    }
}

impl<'a> ExampleLine<'a> {
    pub(super) fn new(id: u64, example: &'a ExampleId, row: Option<&'a Row>) -> Self {
        Self {
            id,
            example,
            fields: row.map(Row::input_values),
            expected: row.and_then(Row::answer),
        }
    }
}

#[derive(Debug, Deserialize)]
struct HelloLine {
    protocol: u64,
    #[serde(default)]
    batch: Option<usize>,
}

/// What a process answers in one line.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The rollout of this id came to this.
    One(u64, Evaluation),
    /// These are the last answers of this batch.
    End(u64, Vec<(u64, Evaluation)>),
}

#[derive(Debug, Deserialize)]
struct ReplyLine {
    #[serde(default)]
    batch: Option<u64>,
    #[serde(default)]
    answers: Option<Vec<AnswerPart>>,
    #[serde(flatten)]
    one: AnswerPart,
}

#[derive(Debug, Deserialize)]
struct AnswerPart {
    #[serde(default)]
    id: Option<u64>,
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
pub(super) struct ReplyError {
    #[serde(default = "permanent")]
    pub(super) kind: FailureKind,
    pub(super) message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReplyUsage {
    calls: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    cached_tokens: u64,
    unknown_tokens: u64,
    cost_usd: Option<f64>,
}

/// Reads the first line of a process; says what is wrong with it otherwise.
pub(crate) fn read_hello(line: &[u8]) -> Result<Speech, String> {
    let rule = r#"its first line must be {"protocol": 1} or {"protocol": 2, "batch": 64}"#;
    let hello: HelloLine = parse(line, rule)?;
    match (hello.protocol, hello.batch) {
        (1, _) => Ok(Speech::Single),
        (2, None) => Ok(Speech::Batches(None)),
        (2, Some(largest)) => match NonZeroUsize::new(largest) {
            Some(largest) => Ok(Speech::Batches(Some(largest))),
            None => Err("its `batch` must be at least 1; leave it out for whole trials".to_owned()),
        },
        (other, _) => Err(format!(
            "it speaks protocol {other}, this engine speaks 1 and {PROTOCOL_VERSION}"
        )),
    }
}

/// Reads a line of answers; says what is wrong with it otherwise.
pub(crate) fn read_reply(line: &[u8]) -> Result<Reply, String> {
    let reply: ReplyLine = parse(
        line,
        "every line on stdout must be one reply; print anything else on stderr",
    )?;
    match (reply.answers, reply.batch) {
        (None, None) => {
            let (id, evaluation) = reply.one.into_evaluation()?;
            Ok(Reply::One(id, evaluation))
        }
        (Some(answers), Some(batch)) => {
            let answers = answers.into_iter().map(AnswerPart::into_evaluation);
            Ok(Reply::End(batch, answers.collect::<Result<_, _>>()?))
        }
        _ => Err("its reply has one of `batch` and `answers` without the other".to_owned()),
    }
}

impl AnswerPart {
    fn into_evaluation(self) -> Result<(u64, Evaluation), String> {
        let id = self.id.ok_or("its reply has no `id`")?;
        let usage = self.usage.unwrap_or_default().into_usage();
        let outcome = match (self.score, self.error) {
            (Some(score), None) => Outcome::Scored(Scored {
                score,
                objectives: self.objectives.unwrap_or_default(),
                feedback: self.feedback,
                output: self.output.map(plain_text),
                trace: self.trace.map(Value::Object),
            }),
            (None, Some(error)) => Outcome::failed(error.kind, error.message),
            (Some(_), Some(_)) => return Err("its reply has both `score` and `error`".to_owned()),
            (None, None) => return Err("its reply has neither `score` nor `error`".to_owned()),
        };
        Ok((id, Evaluation::with_usage(outcome.checked(), usage)))
    }
}

impl ReplyUsage {
    pub(super) fn into_usage(self) -> Usage {
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

pub(super) fn parse<'l, T: Deserialize<'l>>(line: &'l [u8], rule: &str) -> Result<T, String> {
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
