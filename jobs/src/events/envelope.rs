//! The common shape of all events.

use std::sync::Arc;

use gepa_engine::{RunId, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::progress::ProgressData;

/// Most events are no longer.
const USUAL_BYTES: usize = 1_024;

/// An event before it has its number.
#[derive(Clone, Debug)]
pub struct Draft {
    pub(super) kind: &'static str,
    /// Never empty: a poller drops a whole page that has one event with an empty message.
    pub(super) message: String,
    pub(super) level: Level,
    pub(super) data: Data,
}

/// The data of an event. Most events of a run are about its progress, and a map of theirs would be most of
/// the work on them.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Data {
    Fields(Value),
    Progress(Box<ProgressData>),
}

/// The severity of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Info,
    Warning,
    Error,
}

/// An event as it is sent. It is serialised once, for all readers.
#[derive(Clone, Debug)]
pub struct ApiEvent {
    /// Its number within the job, from 1.
    pub seq: u64,
    /// Its type, for example `prompt.learning.progress`.
    pub kind: &'static str,
    /// The event as JSON.
    pub text: Arc<str>,
}

/// The event's JSON object. It borrows all fields, since a job can have many thousands of events.
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
    data: &'e Data,
}

impl Draft {
    /// An event of level `info`.
    pub fn new(kind: &'static str, message: impl Into<String>, data: Value) -> Self {
        Self {
            kind,
            message: message.into(),
            level: Level::Info,
            data: Data::Fields(present(data)),
        }
    }

    pub(super) fn of_progress(message: String, data: ProgressData) -> Self {
        Self {
            kind: "prompt.learning.progress",
            message,
            level: Level::Info,
            data: Data::Progress(Box::new(data)),
        }
    }

    pub(super) fn at_level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// The event with its number and its time.
    ///
    /// # Panics
    /// Never: texts, numbers and JSON become JSON.
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
        let mut text = Vec::with_capacity(USUAL_BYTES);
        serde_json::to_writer(&mut text, &envelope).expect("texts, numbers and JSON become JSON");
        let text = String::from_utf8(text).expect("JSON is written as UTF-8");
        ApiEvent {
            seq,
            kind: self.kind,
            text: text.into(),
        }
    }
}

/// Removes the fields whose value is null: clients format every field that is present, and have
/// defaults for absent ones.
pub(super) fn present(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
    }
    value
}
