//! Rows as everyone outside sees them: the columns of each kind, and a row's values in their order.

use gepa_evaluation::Usage;
use serde_json::{Map, Value, json};

use super::rows::{CandidateRow, RolloutRow, RunRow, TrialRow};
use crate::event::Event;
use crate::ids::RunId;

/// The columns of a rollout.
pub const ROLLOUT_COLUMNS: &[&str] = &[
    "run_id",
    "trial_id",
    "candidate_id",
    "phase",
    "stage",
    "iteration",
    "trial_index",
    "seed",
    "attempts",
    "outcome",
    "score",
    "error",
    "prompt_tokens",
    "completion_tokens",
    "unknown_tokens",
    "tokens",
    "cost_usd",
    "started_at",
    "finished_at",
];

/// Tokens and cost are those of policy and judge together, so that they add up to the counters.
pub fn rollout(row: &RolloutRow) -> Vec<Value> {
    let usage = row.usage + row.judge_usage;
    vec![
        json!(row.run_id),
        json!(row.trial_id()),
        json!(row.candidate_id),
        json!(row.phase),
        json!(row.stage),
        json!(row.key.iteration),
        json!(row.key.index),
        json!(row.example),
        json!(row.attempts),
        json!(row.outcome()),
        json!(row.score),
        json!(row.error),
        json!(usage.prompt_tokens),
        json!(usage.completion_tokens),
        json!(usage.unknown_tokens),
        json!(usage.total_tokens()),
        json!(usage.cost.dollars()),
        json!(row.started_at.to_string()),
        json!(row.finished_at.to_string()),
    ]
}

/// The columns of a trial.
pub const TRIAL_COLUMNS: &[&str] = &[
    "run_id",
    "trial_id",
    "candidate_id",
    "phase",
    "stage",
    "iteration",
    "trial_index",
    "seeds",
    "executed",
    "reused",
    "scored",
    "failed",
    "mean_score",
    "prompt_tokens",
    "completion_tokens",
    "unknown_tokens",
    "tokens",
    "cost_usd",
    "started_at",
    "finished_at",
];

/// A trial's values; tokens and cost are sums over its executed rollouts.
pub fn trial(row: &TrialRow) -> Vec<Value> {
    let usage: &Usage = &row.usage;
    vec![
        json!(row.run_id),
        json!(row.trial_id),
        json!(row.candidate_id),
        json!(row.phase),
        json!(row.stage),
        json!(row.key.iteration),
        json!(row.key.index),
        json!(row.examples),
        json!(row.executed),
        json!(row.reused),
        json!(row.scored),
        json!(row.failed),
        json!(row.mean_score),
        json!(usage.prompt_tokens),
        json!(usage.completion_tokens),
        json!(usage.unknown_tokens),
        json!(usage.total_tokens()),
        json!(usage.cost.dollars()),
        json!(row.started_at.to_string()),
        json!(row.finished_at.map(|at| at.to_string())),
    ]
}

/// The columns of a candidate.
pub const CANDIDATE_COLUMNS: &[&str] = &[
    "run_id",
    "candidate_id",
    "index",
    "iteration",
    "origin",
    "parents",
    "status",
    "close_reason",
    "score",
    "mean_score",
    "validation_score",
    "gate",
    "scores",
    "objectives",
    "validation_scores",
    "created_at",
    "components",
    "messages",
];

/// A candidate's values, its texts last.
pub fn candidate(run: &RunRow, row: &CandidateRow) -> Vec<Value> {
    vec![
        json!(row.run_id),
        json!(row.candidate_id),
        json!(row.index),
        json!(row.iteration),
        json!(row.origin),
        json!(row.parents),
        json!(row.status),
        json!(row.close_reason),
        json!(row.score()),
        json!(row.mean_score),
        json!(row.validation_score),
        json!(row.gate),
        json!(row.scores),
        json!(row.objectives),
        json!(row.validation_scores),
        json!(row.created_at.to_string()),
        components(row),
        messages(run, row),
    ]
}

/// A candidate's texts by component.
pub fn components(row: &CandidateRow) -> Value {
    let texts = row.components.components().iter();
    let map: Map<String, Value> = texts
        .map(|(name, text)| (name.to_string(), json!(&**text)))
        .collect();
    Value::Object(map)
}

/// A candidate's messages, wildcards left as `{name}`.
pub fn messages(run: &RunRow, row: &CandidateRow) -> Value {
    let sections = run.template.sections(&row.components);
    let list: Vec<Value> = sections
        .into_iter()
        .map(|section| json!({"role": section.role, "content": section.content}))
        .collect();
    Value::Array(list)
}

/// The columns of an event.
pub const EVENT_COLUMNS: &[&str] = &["run_id", "seq", "at", "kind", "body"];

/// An event's values.
pub fn event(run: &RunId, event: &Event) -> Vec<Value> {
    vec![
        json!(run),
        json!(event.seq),
        json!(event.at.to_string()),
        json!(event.body.kind()),
        json!(event.body),
    ]
}

/// Columns and values as one object.
pub fn object(columns: &[&str], values: Vec<Value>) -> Map<String, Value> {
    columns
        .iter()
        .map(|column| (*column).to_owned())
        .zip(values)
        .collect()
}
