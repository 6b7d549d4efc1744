//! The lines themselves: hello, request, reply.

use std::num::NonZeroUsize;

use gepa_archive::Candidate;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::reply::{Answer, count_in, without_lone_surrogates};
use crate::dataset::{Row, WrittenInputs};
use gepa_evaluation::{Evaluation, ExampleId, Phase, Stage, TrialBatch};

/// The newest version of the line protocol; a process says in its first line which one it speaks.
/// Version 1, one rollout at a time, is spoken as well.
pub const PROTOCOL_VERSION: u64 = 2;

/// The form in which a process takes its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    /// Protocol 1: one rollout per line.
    Single,
    /// Protocol 2: at most this number of rollouts of a trial per line; whole trials if absent.
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

/// The fields that all rollouts of a line share.
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

/// The fields of one rollout of a line.
#[derive(Debug, Serialize)]
pub(super) struct ExampleLine<'a> {
    id: u64,
    example: &'a ExampleId,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<WrittenInputs<'a>>,
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
            fields: row.map(Row::written_inputs),
            expected: row.and_then(Row::answer),
        }
    }
}

/// The answer of a process in one line.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The evaluation of the rollout with this id.
    One(u64, Box<Evaluation>),
    /// These are the last answers of this batch.
    End(u64, Vec<(u64, Evaluation)>),
}

/// Reads the first line of a process. The error says what is wrong with the line.
pub(crate) fn read_hello(line: &[u8]) -> Result<Speech, String> {
    let rule = r#"its first line must be {"protocol": 1} or {"protocol": 2, "batch": 64}; print anything else on stderr"#;
    let hello: Map<String, Value> = parse(line, rule)?;
    let field = |name: &str| hello.get(name).unwrap_or(&Value::Null);
    match (count_in(field("protocol")), field("batch")) {
        (Some(1), _) => Ok(Speech::Single),
        (Some(2), Value::Null) => Ok(Speech::Batches(None)),
        (Some(2), largest) => {
            let largest = count_in(largest).and_then(|most| usize::try_from(most).ok());
            match largest.and_then(NonZeroUsize::new) {
                Some(largest) => Ok(Speech::Batches(Some(largest))),
                None => {
                    Err("its `batch` must be at least 1; leave it out for whole trials".to_owned())
                }
            }
        }
        _ if field("protocol").is_null() => {
            Err(format!("its first line has no `protocol`; {rule}"))
        }
        _ => Err(format!(
            "it speaks protocol {}, this engine speaks 1 and {PROTOCOL_VERSION}",
            field("protocol")
        )),
    }
}

/// Reads a line of answers. The error says why the line is none. An answer with an invalid field
/// is a failure that names the field; the process goes on.
pub(crate) fn read_reply(line: &[u8]) -> Result<Reply, String> {
    let mut fields: Map<String, Value> = parse(
        line,
        "every line on stdout must be one reply; print anything else on stderr",
    )?;
    let mut field = |name: &str| fields.remove(name).filter(|value| !value.is_null());
    match (field("answers"), field("batch")) {
        (None, None) => {
            let (id, evaluation) = Answer::of(fields).evaluation()?;
            Ok(Reply::One(id, Box::new(evaluation)))
        }
        (Some(Value::Array(answers)), Some(batch)) => {
            let batch = count_in(&batch).ok_or_else(|| format!("its `batch` is {batch}"))?;
            let answers = answers.into_iter().map(|answer| match answer {
                Value::Object(fields) => Answer::of(fields).evaluation(),
                other => Err(format!("one of its `answers` is {other} and no object")),
            });
            Ok(Reply::End(batch, answers.collect::<Result<_, _>>()?))
        }
        (Some(_), Some(_)) => Err("its `answers` are no list".to_owned()),
        _ => Err("its reply has one of `batch` and `answers` without the other".to_owned()),
    }
}

/// Reads all that a program printed as one reply without an id. The error says what is wrong with it.
pub(crate) fn read_answer(printed: &[u8]) -> Result<Evaluation, String> {
    let rule = r#"it must print one object such as {"score": 0.5}; print anything else on stderr"#;
    let fields: Map<String, Value> = parse(printed, rule)?;
    Answer::of(fields)
        .read()
        .map_err(|reason| format!("its reply cannot be used: {reason}"))
}

pub(super) fn parse<T: DeserializeOwned>(line: &[u8], rule: &str) -> Result<T, String> {
    const SHOWN: usize = 200;
    let Ok(text) = std::str::from_utf8(line) else {
        return Err(format!("it printed a line that is not UTF-8; {rule}"));
    };
    // Some systems begin each text that a program writes with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed = serde_json::from_str(text).or_else(|error| {
        // Python writes an unpaired surrogate, which is not valid text, as an escape.
        let repaired = without_lone_surrogates(text);
        serde_json::from_str(&repaired).map_err(|_| error)
    });
    parsed.map_err(|error: serde_json::Error| {
        let shown: String = text.chars().take(SHOWN).collect();
        let hint = if text.contains("NaN") || text.contains("Infinity") {
            " (JSON has no NaN and no Infinity)"
        } else {
            ""
        };
        format!("it printed `{shown}`, which cannot be read: {error}{hint}; {rule}")
    })
}
