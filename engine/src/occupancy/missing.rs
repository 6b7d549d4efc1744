//! Why a run has no notes about limits on model calls.

use serde_json::Value;

use crate::record::RunRow;

/// Why no limit on model calls was recorded, as the end of a sentence.
pub(super) fn why_no_limits(run: &RunRow) -> &'static str {
    if run.summary.started_at.is_none() {
        return "the run has not begun";
    }
    if run.summary.rests.is_none() {
        return "a version before 0.2 began the run";
    }
    // The config of a file stands under `settings`; a program gives its settings themselves.
    if run.config.get("settings").is_none() {
        return "a program began the run and makes its model calls itself, as programs with the Python package do";
    }
    if run
        .setting("workers", "queue")
        .is_some_and(Value::is_string)
    {
        return "workers make the model calls, and none of them named a limit: their models have none, or an earlier \
                version of the worker made the calls";
    }
    "no model of the run has a limit that this engine keeps: a rulebook has none, and an evaluator that is a program \
     keeps its own"
}
