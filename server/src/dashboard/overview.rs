//! A run as a whole: its figures, its candidates without their texts, its trials by stage, its
//! curve, its reflections.

use std::collections::{BTreeMap, BTreeSet};

use gepa_archive::{CandidateIndex, Origin};
use gepa_engine::record::{
    CandidateRow, CandidateStatus, Endings, ReflectionRow, RunRow, SnapshotRow, TrialRow,
    statistics, token_estimate,
};
use gepa_engine::{
    CloseReason, Decision, EventBody, ReflectionFailureKind, Seq, Store, StoreError,
};
use gepa_evaluation::{Stage, Usage};
use serde::Serialize;
use serde_json::{Value, json};

use super::content::{Content, ViewError};
use super::run_rows::RunRows;
use super::runs::{entry, is_worked_on};

/// The run's view as JSON. What follows from the rows alone is written once and added as it is.
pub(super) async fn overview(store: &dyn Store, rows: &RunRows) -> Result<Content, ViewError> {
    let run = &rows.run;
    let is_claimed = is_worked_on(store, run).await?;
    let head = json!({
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
        "validated": validated(run),
    });
    let tables = rows.tables.get_or_try_init(|| tables(store, rows)).await?;
    let mut text = serde_json::to_string(&head)?;
    // Both are objects with fields.
    text.pop();
    text.push(',');
    text.push_str(tables.get(1..).unwrap_or_default());
    Ok(Content {
        media_type: "application/json",
        bytes: text.into_bytes(),
    })
}

/// What follows from the rows alone.
#[derive(Serialize)]
struct Tables<'a> {
    front: Vec<CandidateIndex>,
    candidates: CandidateTable<'a>,
    closed: Vec<Value>,
    stages: Vec<Value>,
    curve: Vec<Value>,
    reflections: ReflectionTable<'a>,
}

/// The candidates by column, in the order proposed. Ten thousand objects would repeat every name
/// ten thousand times.
#[derive(Default, Serialize)]
struct CandidateTable<'a> {
    iteration: Vec<u64>,
    candidate_id: Vec<String>,
    index: Vec<Option<CandidateIndex>>,
    origin: Vec<Origin>,
    parents: Vec<&'a [CandidateIndex]>,
    status: Vec<CandidateStatus>,
    close_reason: Vec<Option<CloseReason>>,
    gate: Vec<Option<(bool, u32, f64, f64)>>,
    score: Vec<Option<f64>>,
    mean_score: Vec<Option<f64>>,
    scored: Vec<usize>,
    validation_score: Vec<Option<f64>>,
    tokens: Vec<u64>,
    seconds: Vec<f64>,
}

/// The calls of the reflection model by column.
#[derive(Default, Serialize)]
struct ReflectionTable<'a> {
    seq: Vec<Seq>,
    iteration: Vec<u64>,
    component: Vec<&'a str>,
    attempt: Vec<u32>,
    failure: Vec<Option<ReflectionFailureKind>>,
    error: Vec<Option<&'a str>>,
    prompt_tokens: Vec<u64>,
    completion_tokens: Vec<u64>,
    tokens: Vec<u64>,
    cost_usd: Vec<Option<f64>>,
    seconds: Vec<f64>,
}

async fn tables(store: &dyn Store, rows: &RunRows) -> Result<String, ViewError> {
    let RunRows {
        run,
        candidates,
        trials,
        reflections,
        snapshots,
        ..
    } = rows;
    let tables = Tables {
        front: front(store, run, candidates).await?,
        candidates: CandidateTable::of(run, candidates),
        closed: closed(candidates, trials),
        stages: stages(trials),
        curve: curve(snapshots, candidates),
        reflections: ReflectionTable::of(reflections),
    };
    Ok(serde_json::to_string(&tables)?)
}

impl<'a> CandidateTable<'a> {
    fn of(run: &RunRow, candidates: &'a [CandidateRow]) -> Self {
        let first = candidates.first().map_or(0, |row| row.created_at.0);
        let mut table = Self::default();
        for row in candidates {
            let gate = row.gate.as_ref();
            let scored = row.scores.as_deref().unwrap_or_default();
            table.iteration.push(row.iteration);
            table.candidate_id.push(row.candidate_id.short());
            table.index.push(row.index);
            table.origin.push(row.origin);
            table.parents.push(&row.parents);
            table.status.push(row.status);
            table.close_reason.push(row.close_reason);
            table.gate.push(
                gate.map(|gate| (gate.passed, gate.compared, gate.parent_sum, gate.child_sum)),
            );
            table.score.push(row.score());
            table.mean_score.push(row.mean_score);
            table.scored.push(scored.iter().flatten().count());
            table.validation_score.push(row.validation_score);
            table
                .tokens
                .push(token_estimate(&run.template.sections(&row.components)));
            table.seconds.push((row.created_at.0 - first) as f64 / 1e6);
        }
        table
    }
}

impl<'a> ReflectionTable<'a> {
    fn of(reflections: &'a [ReflectionRow]) -> Self {
        let mut table = Self::default();
        for row in reflections {
            let failure = row.failure.as_ref();
            table.seq.push(row.seq);
            table.iteration.push(row.iteration);
            table.component.push(&row.component);
            table.attempt.push(row.attempt);
            table.failure.push(failure.map(|failure| failure.kind));
            table.error.push(failure.map(|failure| &*failure.message));
            table.prompt_tokens.push(row.usage.prompt_tokens);
            table.completion_tokens.push(row.usage.completion_tokens);
            table.tokens.push(row.usage.total_tokens());
            table.cost_usd.push(row.usage.known_dollars());
            table
                .seconds
                .push(row.finished_at.seconds_since(row.started_at));
        }
        table
    }
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
    let event = store.event(&run.run_id, seq).await?;
    Ok(match event.map(|event| event.body) {
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
                "unpriced_calls": sum.usage.unpriced_calls,
            })
        })
        .collect()
}

/// The state at each snapshot, which is taken at every improvement. The best score is that of the time, since rows
/// may have grown; the first snapshot of a new best candidate has it.
fn curve(snapshots: &[SnapshotRow], candidates: &[CandidateRow]) -> Vec<Value> {
    let scored: BTreeSet<CandidateIndex> = candidates
        .iter()
        .filter(|row| row.mean_score.is_some())
        .filter_map(|row| row.index)
        .collect();
    let mut best_means: BTreeMap<CandidateIndex, f64> = BTreeMap::new();
    let first = candidates.first().map_or(0, |row| row.created_at.0);
    let points = snapshots.iter();
    points
        .map(|snapshot| {
            if scored.contains(&snapshot.subject) {
                best_means.insert(snapshot.subject, snapshot.score);
            }
            json!({
                "tag": snapshot.tag.as_str(),
                "index": snapshot.subject,
                "score": snapshot.score,
                "best": snapshot.best,
                "best_score": best_means.get(&snapshot.best),
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
