//! The lines of a proposer: hello, request, reply.

use std::sync::Arc;

use gepa_archive::Candidate;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::protocol::{Speech, parse};
use super::reply::{read_error, read_usage, says_nothing};
use gepa_evaluation::{
    ComponentRequest, EarlierAttempt, ExampleId, FailureKind, ProposalRequest, ProposedTexts,
    ProposerError, ProposerErrorKind, TextRequirements,
};

/// The version of the proposers' line protocol.
const PROPOSER_VERSION: u64 = 1;

/// One proposal, as a line to the process.
#[derive(Debug, Serialize)]
pub(super) struct RequestLine<'a> {
    id: u64,
    run_id: &'a str,
    iteration: u64,
    candidate: &'a Candidate,
    components: IndexMap<&'a str, ComponentPart<'a>>,
    earlier: Vec<EarlierPart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    texts: u32,
    timeout_seconds: f64,
}

#[derive(Debug, Serialize)]
struct ComponentPart<'a> {
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    complaint: Option<&'a str>,
    wildcards: &'a [Arc<str>],
    max_chars: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    requirements: Option<&'a TextRequirements>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shorten: Option<&'a str>,
    records: Vec<RecordPart<'a>>,
}

#[derive(Debug, Serialize)]
struct RecordPart<'a> {
    example: &'a ExampleId,
    score: f64,
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    objectives: &'a IndexMap<Arc<str>, f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feedback: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
    /// The part of it that a reflection prompt would show.
    shown: Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct EarlierPart<'a> {
    component: &'a str,
    text: &'a str,
    gain: Option<f64>,
    accepted: bool,
}

impl<'a> RequestLine<'a> {
    pub(super) fn new(id: u64, request: &'a ProposalRequest, timeout_seconds: f64) -> Self {
        let components = request.components.iter();
        let components = components.map(|component| {
            let part = ComponentPart::new(component, request);
            (&*component.name, part)
        });
        Self {
            id,
            run_id: &request.run_id,
            iteration: request.iteration,
            candidate: &request.candidate,
            components: components.collect(),
            earlier: request.earlier.iter().map(EarlierPart::new).collect(),
            hint: request.hint.as_deref(),
            texts: request.texts,
            timeout_seconds,
        }
    }
}

impl<'a> ComponentPart<'a> {
    fn new(component: &'a ComponentRequest, request: &'a ProposalRequest) -> Self {
        let records = request.records.iter().map(|record| RecordPart {
            example: &record.example,
            score: record.scored.score,
            objectives: &record.scored.objectives,
            feedback: record.scored.feedback.as_deref(),
            output: record.scored.output.as_deref(),
            shown: record.headings(&component.name).into_iter().collect(),
        });
        Self {
            attempt: component.attempt,
            complaint: component.complaint.as_deref(),
            wildcards: &component.wildcards,
            max_chars: component.max_chars,
            requirements: Some(&component.requirements).filter(|demands| !demands.is_empty()),
            shorten: component.shorten.as_deref(),
            records: records.collect(),
        }
    }
}

impl<'a> EarlierPart<'a> {
    fn new(earlier: &'a EarlierAttempt) -> Self {
        Self {
            component: &earlier.component,
            text: &earlier.text,
            gain: earlier.gain,
            accepted: earlier.accepted,
        }
    }
}

#[derive(Debug, Deserialize)]
struct HelloLine {
    proposer: u64,
}

#[derive(Debug, Deserialize)]
struct ReplyLine {
    id: u64,
    #[serde(default)]
    texts: Option<IndexMap<Arc<str>, Texts>>,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    usage: Value,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a text or a list of texts for each component"
)]
enum Texts {
    One(String),
    Several(Vec<String>),
}

/// Reads the first line of a proposer. The error says what is wrong with the line.
pub(super) fn read_hello(line: &[u8]) -> Result<Speech, String> {
    let hello: HelloLine = parse(line, r#"its first line must be {"proposer": 1}"#)?;
    if hello.proposer == PROPOSER_VERSION {
        return Ok(Speech::Single);
    }
    Err(format!(
        "it speaks version {} of the proposer protocol, this engine speaks {PROPOSER_VERSION}",
        hello.proposer
    ))
}

/// Reads the reply to request `id`. The error says what is wrong with the reply.
pub(super) fn read_reply(
    line: &[u8],
    id: u64,
) -> Result<Result<ProposedTexts, ProposerError>, String> {
    let rule = "every line on stdout must be one reply; print anything else on stderr";
    let reply: ReplyLine = parse(line, rule)?;
    if reply.id != id {
        let answered = reply.id;
        return Err(format!(
            "it answered request {answered}, while {id} was asked"
        ));
    }
    let usage = read_usage(&reply.usage)?;
    let error = (!says_nothing(&reply.error)).then(|| read_error(&reply.error));
    match (reply.texts, error) {
        (Some(texts), None) => Ok(Ok(ProposedTexts {
            texts: texts
                .into_iter()
                .map(|(name, texts)| (name, texts.into()))
                .collect(),
            usage,
            ..ProposedTexts::default()
        })),
        (None, Some(error)) => {
            let kind = match error.kind {
                FailureKind::Refused => ProposerErrorKind::Refused,
                _ => ProposerErrorKind::Failed,
            };
            Ok(Err(ProposerError {
                usage,
                ..ProposerError::new(kind, error.message)
            }))
        }
        (Some(_), Some(_)) => Err("its reply has both `texts` and `error`".to_owned()),
        (None, None) => Err("its reply has neither `texts` nor `error`".to_owned()),
    }
}

impl From<Texts> for Vec<String> {
    fn from(texts: Texts) -> Self {
        match texts {
            Texts::One(text) => vec![text],
            Texts::Several(texts) => texts,
        }
    }
}
