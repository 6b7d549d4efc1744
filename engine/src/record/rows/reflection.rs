//! The row of a reflection call.

use gepa_evaluation::Usage;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::column::columns;
use super::super::export::ExportColumn;
use crate::event::{ReflectionFailure, ReflectionSettled};
use crate::ids::{RunId, Seq, Timestamp};

/// One settled call of the reflection model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReflectionRow {
    /// The run.
    pub run_id: RunId,
    /// The iteration.
    pub iteration: u64,
    /// The component.
    pub component: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// Why there is no new text; `None` if there is one.
    pub failure: Option<ReflectionFailure>,
    /// The tokens and cost of the call.
    pub usage: Usage,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// The event that holds the reply.
    pub seq: Seq,
}

columns! {
    ReflectionRow in "reflections" {
        run_id: ["run_id"];
        seq: ["seq"];
        iteration: ["iteration"];
        component: ["component"];
        attempt: ["attempt"];
        failure: ["failure", "error"];
        started_at: ["started_at"];
        finished_at: ["finished_at"];
        usage: [
            "calls", "prompt_tokens", "completion_tokens",
            "cached_tokens", "unknown_tokens", "cost_micro_usd", "unpriced_calls"
        ];
    }
}

impl ReflectionRow {
    /// The row of a call that was just settled by the event `seq`.
    pub(in super::super) fn settled(run_id: RunId, settled: &ReflectionSettled, seq: Seq) -> Self {
        Self {
            run_id,
            iteration: settled.iteration,
            component: settled.component.clone(),
            attempt: settled.attempt,
            failure: settled.failure.clone(),
            usage: settled.usage,
            started_at: settled.started_at,
            finished_at: settled.finished_at,
            seq,
        }
    }
}

/// The columns of an exported call of the reflection model, its row and its journal entry, the texts last. A cost is
/// null if it is unknown.
pub const REFLECTION_EXPORT: &[ExportColumn<(), (ReflectionRow, ReflectionSettled)>] = &[
    ("run_id", |(), (row, _)| json!(row.run_id)),
    ("seq", |(), (row, _)| json!(row.seq)),
    ("iteration", |(), (row, _)| json!(row.iteration)),
    ("component", |(), (row, _)| json!(row.component)),
    ("attempt", |(), (row, _)| json!(row.attempt)),
    ("outcome", |(), (row, _)| {
        json!(
            row.failure
                .as_ref()
                .map_or(json!("text"), |failure| json!(failure.kind))
        )
    }),
    ("error", |(), (row, _)| {
        json!(row.failure.as_ref().map(|failure| &failure.message))
    }),
    ("calls", |(), (row, _)| json!(row.usage.calls)),
    ("prompt_tokens", |(), (row, _)| {
        json!(row.usage.prompt_tokens)
    }),
    ("completion_tokens", |(), (row, _)| {
        json!(row.usage.completion_tokens)
    }),
    ("unknown_tokens", |(), (row, _)| {
        json!(row.usage.unknown_tokens)
    }),
    ("tokens", |(), (row, _)| json!(row.usage.total_tokens())),
    ("cost_usd", |(), (row, _)| json!(row.usage.known_dollars())),
    ("started_at", |(), (row, _)| {
        json!(row.started_at.to_string())
    }),
    ("finished_at", |(), (row, _)| {
        json!(row.finished_at.to_string())
    }),
    ("messages", |(), (_, settled)| json!(settled.messages)),
    ("reply", |(), (_, settled)| json!(settled.reply)),
    ("text", |(), (_, settled)| json!(settled.text)),
    ("alternatives", |(), (_, settled)| {
        json!(settled.alternatives)
    }),
];
