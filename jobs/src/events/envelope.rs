//! The shape every event has.

use std::sync::Arc;

use gepa_engine::{RunId, Timestamp};
use serde::Serialize;
use serde_json::Value;

/// An event before it has its number.
#[derive(Clone, Debug)]
pub struct Draft {
    pub(super) kind: &'static str,
    /// Never empty: one empty message makes a poller drop the whole page.
    pub(super) message: String,
    pub(super) level: Level,
    pub(super) data: Value,
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Info,
    Warning,
    Error,
}

/// An event as it is sent, serialised once.
#[derive(Clone, Debug)]
pub struct ApiEvent {
    /// Its number within the job, from 1.
    pub seq: u64,
    /// Its type, for example `prompt.learning.progress`.
    pub kind: &'static str,
    /// The event as JSON.
    pub text: Arc<str>,
}

/// Borrows everything: a job can have many thousands of events.
#[derive(Serialize)]
struct Envelope<'e> {
    seq: u64,
    #[serde(rename = "type")]
    kind: &'e str,
    message: &'e str,
    level: &'e str,
    job_id: &'e RunId,
    created_at: &'e str,
    timestamp: &'e str,
    data: &'e Value,
}

impl Draft {
    /// An event of level `info`.
    pub fn new(kind: &'static str, message: impl Into<String>, data: Value) -> Self {
        Self {
            kind,
            message: message.into(),
            level: Level::Info,
            data: present(data),
        }
    }

    pub(super) fn at_level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// The event with its number and its time.
    pub fn numbered(self, job: &RunId, seq: u64, at: Timestamp) -> ApiEvent {
        let time = at.to_string();
        let level = match self.level {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        let envelope = Envelope {
            seq,
            kind: self.kind,
            message: &self.message,
            level,
            job_id: job,
            created_at: &time,
            timestamp: &time,
            data: &self.data,
        };
        let text = serde_json::to_string(&envelope).expect("texts, numbers and JSON become JSON");
        ApiEvent {
            seq,
            kind: self.kind,
            text: text.into(),
        }
    }
}

/// The same object without the fields that have no value: clients format what is there, and fall
/// back where nothing is.
pub(super) fn present(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
    }
    value
}
