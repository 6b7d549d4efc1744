//! A run as a whole: its figures, its candidates without their texts, its trials by stage, its
//! curve, its reflections.

use std::collections::{BTreeMap, BTreeSet};

use gepa_archive::CandidateIndex;
use gepa_engine::record::{
    CandidateRow, Endings, ReflectionRow, RunRow, SnapshotRow, TrialRow, statistics, token_estimate,
};
use gepa_engine::{Decision, EventBody, Seq, Store, StoreError};
use gepa_evaluation::{Stage, Usage};
use serde_json::{Map, Value, json};

use super::run_rows::RunRows;
use super::runs::{entry, is_worked_on};

pub(super) async fn overview(store: &dyn Store, rows: &RunRows) -> Result<Value, StoreError> {
    let RunRows {
        run,
        candidates,
        trials,
        reflections,
        snapshots,
    } = rows;
    let front = front(store, run, candidates).await?;
    let is_claimed = is_worked_on(store, run).await?;
    Ok(json!({
        "run": entry(store, run, is_claimed).await?,
        "stats": statistics(run),
        "usage": run.summary.counters.usage,
        "limits": run.summary.limits,
        "origin": run.summary.origin,
        "endings": run.summary.endings,
        "ending_parts": run.summary.endings.as_ref().map(Endings::parts),
        "best": run.summary.best,
        "acts": run.summary.acts,
        "excluded": run.summary.excluded,
        "vetoed": run.summary.vetoed,
        "hint": run.summary.hint,
        "config": run.config,
        "sets": {"pareto": run.pareto, "validation": run.validation},
        "front": front,
        "validated": validated(run),
        "candidates": table(run, candidates),
        "closed": closed(candidates, trials),
        "stages": stages(trials),
        "curve": curve(snapshots, candidates),
        "reflections": reflections.iter().map(reflection).collect::<Vec<_>>(),
    }))
}

/// The members of the front, from the last decision that changed the archive.
async fn front(
    store: &dyn Store,
    run: &RunRow,
    candidates: &[CandidateRow],
) -> Result<Vec<CandidateIndex>, StoreError> {
    let accepted = candidates.iter().filter_map(|row| row.accepted_seq).max();
    let last = accepted.max(run.summary.revised_seq);
    let Some(seq) = last else {
        return Ok(Vec::new());
    };
    let before = Seq(seq.0.saturating_sub(1));
    let event = store.events(&run.run_id, before, 1).await?;
    let body = event.into_iter().next().map(|event| event.body);
    Ok(match body {
        Some(EventBody::Decision(Decision::CandidateAccepted(accepted))) => accepted.front,
        Some(EventBody::Decision(Decision::ArchiveRevised(revised))) => revised.front,
        _ => Vec::new(),
    })
}

/// The candidates of the final scoring, baseline first.
fn validated(run: &RunRow) -> Vec<Value> {
    let results = run.summary.validation.iter();
    results
        .map(|result| {
            json!({
                "index": result.candidate, "rank": result.rank, "mean_score": result.mean_score,
                "scores": result.scores,
            })
        })
        .collect()
}

/// The candidates by column, in the order proposed. Ten thousand objects would repeat every name
/// ten thousand times.
fn table(run: &RunRow, candidates: &[CandidateRow]) -> Value {
    let column = |value: fn(&CandidateRow) -> Value| -> Vec<Value> {
        candidates.iter().map(value).collect()
    };
    let tokens: Vec<u64> = candidates
        .iter()
        .map(|row| token_estimate(&run.template.sections(&row.components)))
        .collect();
    let first = candidates.first().map_or(0, |row| row.created_at.0);
    let seconds: Vec<f64> = candidates
        .iter()
        .map(|row| (row.created_at.0 - first) as f64 / 1e6)
        .collect();
    json!({
        "iteration": column(|row| json!(row.iteration)),
        "candidate_id": column(|row| json!(row.candidate_id.short())),
        "index": column(|row| json!(row.index)),
        "origin": column(|row| json!(row.origin)),
        "parents": column(|row| json!(row.parents)),
        "status": column(|row| json!(row.status)),
        "close_reason": column(|row| json!(row.close_reason)),
        "gate": column(|row| match &row.gate {
            Some(gate) => {
                json!([gate.passed, gate.compared, gate.parent_sum, gate.child_sum])
            }
            None => Value::Null,
        }),
        "score": column(|row| json!(row.score())),
        "mean_score": column(|row| json!(row.mean_score)),
        "scored": column(|row| {
            let scores = row.scores.as_deref().unwrap_or_default();
            json!(scores.iter().filter(|score| score.is_some()).count())
        }),
        "validation_score": column(|row| json!(row.validation_score)),
        "tokens": tokens,
        "seconds": seconds,
    })
}

/// Iterations that ended without a candidate of their own, with their parents.
fn closed(candidates: &[CandidateRow], trials: &[TrialRow]) -> Vec<Value> {
    let proposed: BTreeSet<u64> = candidates.iter().map(|row| row.iteration).collect();
    let indices: BTreeMap<_, _> = candidates
        .iter()
        .filter_map(|row| Some((row.candidate_id, row.index?)))
        .collect();
    let parents = trials
        .iter()
        .filter(|trial| trial.stage == Stage::MinibatchParent)
        .filter(|trial| !proposed.contains(&trial.key.iteration));
    parents
        .map(|trial| {
            json!({
                "iteration": trial.key.iteration,
                "parent": indices.get(&trial.candidate_id),
                "examples": trial.examples.len(),
            })
        })
        .collect()
}

/// What the trials of each stage did and cost.
fn stages(trials: &[TrialRow]) -> Vec<Value> {
    #[derive(Default)]
    struct Sum {
        trials: u64,
        executed: u64,
        reused: u64,
        failed: u64,
        usage: Usage,
    }
    let mut stages: Vec<(Stage, Sum)> = Vec::new();
    for trial in trials {
        let at = stages.iter().position(|(stage, _)| *stage == trial.stage);
        let at = at.unwrap_or_else(|| {
            stages.push((trial.stage, Sum::default()));
            stages.len() - 1
        });
        let Some((_, sum)) = stages.get_mut(at) else {
            continue;
        };
        sum.trials += 1;
        sum.executed += trial.executed;
        sum.reused += u64::from(trial.reused);
        sum.failed += u64::from(trial.failed.unwrap_or_default());
        sum.usage += trial.usage;
    }
    let named = stages.into_iter();
    named
        .map(|(stage, sum)| {
            json!({
                "stage": stage.as_str(),
                "phase": stage.phase().as_str(),
                "trials": sum.trials,
                "executed": sum.executed,
                "reused": sum.reused,
                "failed": sum.failed,
                "tokens": sum.usage.total_tokens(),
                "cost_usd": sum.usage.cost.dollars(),
            })
        })
        .collect()
}

/// The state at each snapshot, which is taken at every improvement.
fn curve(snapshots: &[SnapshotRow], candidates: &[CandidateRow]) -> Vec<Value> {
    let means: BTreeMap<CandidateIndex, Option<f64>> = candidates
        .iter()
        .filter_map(|row| Some((row.index?, row.mean_score)))
        .collect();
    let first = candidates.first().map_or(0, |row| row.created_at.0);
    let points = snapshots.iter();
    points
        .map(|snapshot| {
            json!({
                "tag": snapshot.tag.as_str(),
                "index": snapshot.subject,
                "score": snapshot.score,
                "best": snapshot.best,
                "best_score": means.get(&snapshot.best),
                "rollouts": snapshot.counters.total_rollouts,
                "tokens": snapshot.counters.total_tokens,
                "cost_usd": snapshot.counters.total_cost_usd(),
                "iterations": snapshot.counters.iterations,
                "seconds": (snapshot.created_at.0 - first) as f64 / 1e6,
                "token_count": snapshot.token_count,
            })
        })
        .collect()
}

fn reflection(row: &ReflectionRow) -> Map<String, Value> {
    let failure = row.failure.as_ref();
    let fields = [
        ("seq", json!(row.seq)),
        ("iteration", json!(row.iteration)),
        ("component", json!(row.component)),
        ("attempt", json!(row.attempt)),
        ("failure", json!(failure.map(|failure| failure.kind))),
        ("error", json!(failure.map(|failure| &failure.message))),
        ("prompt_tokens", json!(row.usage.prompt_tokens)),
        ("completion_tokens", json!(row.usage.completion_tokens)),
        ("tokens", json!(row.usage.total_tokens())),
        ("cost_usd", json!(row.usage.cost.dollars())),
        (
            "seconds",
            json!(row.finished_at.seconds_since(row.started_at)),
        ),
    ];
    let named = fields.into_iter();
    named
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
