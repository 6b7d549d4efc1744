//! One candidate: its texts, its scores, its rollouts.

use gepa_engine::record::export::object;
use gepa_engine::record::{CANDIDATE_EXPORT, TrialRow};
use gepa_evaluation::Stage;
use serde_json::{Value, json};

use super::content::ViewError;
use super::rollout_index::{Entry, RolloutIndex};
use super::run_rows::RunRows;

/// Under `candidate` stands the row of `gepa export --what candidates`.
pub(super) fn candidate(
    rows: &RunRows,
    iteration: u64,
    index: &RolloutIndex,
) -> Result<Value, ViewError> {
    let run = &rows.run;
    let row = rows.of_iteration(iteration)?;
    let rollouts: Vec<Value> = index
        .of_candidate(&row.candidate_id)
        .map(|entry| rollout(index, entry))
        .collect();
    let minibatch = rows
        .trials
        .iter()
        .find(|trial| is_minibatch(trial, iteration));
    let children: Vec<u64> = rows
        .candidates
        .iter()
        .filter(|other| {
            row.index
                .is_some_and(|index| other.parents.contains(&index))
        })
        .map(|other| other.iteration)
        .collect();
    Ok(json!({
        "candidate": object(CANDIDATE_EXPORT, run, row),
        "sections": run.template.sections(&row.components),
        "rollouts": rollouts,
        "minibatch": minibatch.map(|trial| &trial.examples),
        "children": children,
    }))
}

/// Whether the trial shows the parent's work from which this iteration's texts were written.
fn is_minibatch(trial: &TrialRow, iteration: u64) -> bool {
    trial.stage == Stage::MinibatchParent && trial.key.iteration == iteration
}

/// Figures have the names of `gepa export --what rollouts`.
fn rollout(index: &RolloutIndex, entry: &Entry) -> Value {
    json!({
        "seq": entry.seq,
        "seed": index.example(entry.example),
        "iteration": entry.iteration,
        "stage": entry.stage.as_str(),
        "attempts": entry.attempts,
        "score": entry.score(),
        "outcome": entry.failure().map_or("scored", |(kind, _)| kind.as_str()),
        "prompt_tokens": entry.prompt_tokens,
        "completion_tokens": entry.completion_tokens,
        "tokens": entry.tokens,
        "cost_usd": entry.known_dollars(),
        "seconds": (entry.finished - entry.started).max(0) as f64 / 1e6,
    })
}
