//! The row of a reflection call.

use gepa_evaluation::Usage;
use serde::{Deserialize, Serialize};

use super::super::column::columns;
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
