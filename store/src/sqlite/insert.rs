//! New rows.

use gepa_engine::record::{
    ArtifactRow, CandidateRow, ReflectionRow, RolloutRow, RunRow, SnapshotRow, TrialRow,
};
use gepa_engine::{Event, JOURNAL_FORMAT, RunId};
use gepa_evaluation::Usage;
use rusqlite::{Connection, Result, Statement, params};

use super::value::{RunNumber, example, int, json, word};

pub(super) fn run(connection: &Connection, row: &RunRow) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO runs (run_id, format, name, created_at, policy_provider, policy_model, \
             config, template, pareto, validation, summary) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            row.run_id.as_str(),
            JOURNAL_FORMAT,
            row.name,
            row.created_at.0,
            row.policy_provider,
            row.policy_model,
            json(&row.config)?,
            json(&row.template)?,
            json(&row.pareto)?,
            json(&row.validation)?,
            json(&row.summary)?,
        ])?;
    Ok(())
}

/// For [`event`].
pub(super) const EVENT: &str =
    "INSERT INTO events (id, run_id, seq, at, kind, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

pub(super) fn event(
    statement: &mut Statement<'_>,
    number: RunNumber,
    run: &RunId,
    event: &Event,
) -> Result<()> {
    statement.execute(params![
        number.key(event.seq),
        run.as_str(),
        int(event.seq.0),
        event.at.0,
        event.body.kind(),
        json(&event.body)?,
    ])?;
    Ok(())
}

pub(super) fn candidate(connection: &Connection, row: &CandidateRow) -> Result<()> {
    let candidate_id = row.candidate_id.to_string();
    connection
        .prepare_cached(
            "INSERT INTO texts (candidate_id, components) VALUES (?1, ?2) \
             ON CONFLICT (candidate_id) DO UPDATE SET components = excluded.components \
             WHERE components <> excluded.components",
        )?
        .execute(params![candidate_id, json(&row.components)?])?;
    connection
        .prepare_cached(
            "INSERT INTO candidates (run_id, iteration, candidate_id, origin, parents, status, \
             objectives, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            row.run_id.as_str(),
            int(row.iteration),
            candidate_id,
            row.origin.as_str(),
            json(&row.parents)?,
            row.status.as_str(),
            json(&row.objectives)?,
            row.created_at.0,
        ])?;
    Ok(())
}

pub(super) fn trial(connection: &Connection, row: &TrialRow) -> Result<()> {
    let usage = row.usage;
    connection
        .prepare_cached(
            "INSERT INTO trials (run_id, iteration, trial_index, candidate_id, phase, stage, \
             seeds, reused, executed, calls, prompt_tokens, completion_tokens, cached_tokens, \
             unknown_tokens, cost_micro_usd, unpriced_calls, started_at) VALUES \
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            row.run_id.as_str(),
            int(row.key.iteration),
            row.key.index,
            row.candidate_id.to_string(),
            row.phase.as_str(),
            row.stage.as_str(),
            json(&row.examples)?,
            row.reused,
            int(row.executed),
            int(usage.calls),
            int(usage.prompt_tokens),
            int(usage.completion_tokens),
            int(usage.cached_tokens),
            int(usage.unknown_tokens),
            int(usage.cost.0),
            int(usage.unpriced_calls),
            row.started_at.0,
        ])?;
    Ok(())
}

/// For [`rollout`].
pub(super) const ROLLOUT: &str = "INSERT INTO rollouts (id, run_id, seq, iteration, trial_index, position, candidate_id, \
             phase, stage, seed, attempts, outcome, score, error, started_at, finished_at, \
             calls, prompt_tokens, completion_tokens, cached_tokens, unknown_tokens, \
             cost_micro_usd, unpriced_calls, judge_calls, judge_prompt_tokens, \
             judge_completion_tokens, judge_cached_tokens, judge_unknown_tokens, \
             judge_cost_micro_usd, judge_unpriced_calls) VALUES \
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
             ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30)";

pub(super) fn rollout(
    statement: &mut Statement<'_>,
    number: RunNumber,
    row: &RolloutRow,
) -> Result<()> {
    let (all, judge) = shares(row);
    statement.execute(params![
        number.key(row.seq),
        row.run_id.as_str(),
        int(row.seq.0),
        int(row.key.iteration),
        row.key.index,
        row.position,
        row.candidate_id.to_string(),
        row.phase.as_str(),
        row.stage.as_str(),
        example(&row.example),
        row.attempts,
        row.outcome(),
        row.score,
        row.error,
        row.started_at.0,
        row.finished_at.0,
        all[0],
        all[1],
        all[2],
        all[3],
        all[4],
        all[5],
        all[6],
        judge[0],
        judge[1],
        judge[2],
        judge[3],
        judge[4],
        judge[5],
        judge[6],
    ])?;
    Ok(())
}

/// Replaces outcome, end and event of a rollout that failed, and adds to its attempts and usage. Returns how
/// many rows there were to replace.
pub(super) fn rollout_again(
    connection: &Connection,
    number: RunNumber,
    row: &RolloutRow,
) -> Result<usize> {
    let (all, judge) = shares(row);
    connection
        .prepare_cached(
            "UPDATE rollouts SET seq = ?5, attempts = attempts + ?6, outcome = ?7, score = ?8, \
             error = ?9, finished_at = ?10, calls = calls + ?11, \
             prompt_tokens = prompt_tokens + ?12, completion_tokens = completion_tokens + ?13, \
             cached_tokens = cached_tokens + ?14, unknown_tokens = unknown_tokens + ?15, \
             cost_micro_usd = cost_micro_usd + ?16, unpriced_calls = unpriced_calls + ?17, \
             judge_calls = judge_calls + ?18, judge_prompt_tokens = judge_prompt_tokens + ?19, \
             judge_completion_tokens = judge_completion_tokens + ?20, \
             judge_cached_tokens = judge_cached_tokens + ?21, \
             judge_unknown_tokens = judge_unknown_tokens + ?22, \
             judge_cost_micro_usd = judge_cost_micro_usd + ?23, \
             judge_unpriced_calls = judge_unpriced_calls + ?24, id = ?25 \
             WHERE run_id = ?1 AND iteration = ?2 AND trial_index = ?3 AND position = ?4 \
             AND outcome <> 'scored'",
        )?
        .execute(params![
            row.run_id.as_str(),
            int(row.key.iteration),
            row.key.index,
            row.position,
            int(row.seq.0),
            row.attempts,
            row.outcome(),
            row.score,
            row.error,
            row.finished_at.0,
            all[0],
            all[1],
            all[2],
            all[3],
            all[4],
            all[5],
            all[6],
            judge[0],
            judge[1],
            judge[2],
            judge[3],
            judge[4],
            judge[5],
            judge[6],
            number.key(row.seq),
        ])
}

pub(super) fn reflection(connection: &Connection, row: &ReflectionRow) -> Result<()> {
    let usage = columns(row.usage);
    let failure = row.failure.as_ref();
    connection
        .prepare_cached(
            "INSERT INTO reflections (run_id, seq, iteration, component, attempt, failure, \
             error, started_at, finished_at, calls, prompt_tokens, completion_tokens, \
             cached_tokens, unknown_tokens, cost_micro_usd, unpriced_calls) VALUES \
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute(params![
            row.run_id.as_str(),
            int(row.seq.0),
            int(row.iteration),
            row.component,
            row.attempt,
            failure.map(|failed| word(failed.kind)).transpose()?,
            failure.map(|failed| failed.message.as_str()),
            row.started_at.0,
            row.finished_at.0,
            usage[0],
            usage[1],
            usage[2],
            usage[3],
            usage[4],
            usage[5],
            usage[6],
        ])?;
    Ok(())
}

pub(super) fn snapshot(connection: &Connection, row: &SnapshotRow) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO snapshots (run_id, snapshot_id, ordinal, tag, best, subject, score, \
             token_count, created_at, seq, counters, validation) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            row.run_id.as_str(),
            row.snapshot_id,
            int(row.ordinal),
            row.tag.as_str(),
            row.best.0,
            row.subject.0,
            row.score,
            int(row.token_count),
            row.created_at.0,
            int(row.seq.0),
            json(&row.counters)?,
            json(&row.validation)?,
        ])?;
    Ok(())
}

pub(super) fn artifact(connection: &Connection, row: &ArtifactRow) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO artifacts (run_id, snapshot_id, label, candidate, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            row.run_id.as_str(),
            row.snapshot_id,
            row.label,
            row.candidate.0,
            row.created_at.0,
        ])?;
    Ok(())
}

/// What was spent on a rollout in all, and the judge's share of it.
fn shares(row: &RolloutRow) -> ([i64; 7], [i64; 7]) {
    (
        columns(row.usage + row.judge_usage),
        columns(row.judge_usage),
    )
}

fn columns(usage: Usage) -> [i64; 7] {
    [
        int(usage.calls),
        int(usage.prompt_tokens),
        int(usage.completion_tokens),
        int(usage.cached_tokens),
        int(usage.unknown_tokens),
        int(usage.cost.0),
        int(usage.unpriced_calls),
    ]
}
