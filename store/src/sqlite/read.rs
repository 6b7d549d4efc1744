//! Queries.

use gepa_archive::CandidateIndex;
use gepa_engine::record::{
    ArtifactRow, CandidateRow, ReflectionRow, RolloutRow, RunRow, SnapshotRow, TrialRow,
};
use gepa_engine::{Event, RunId, Seq, StoreError, Timestamp};
use rusqlite::{Connection, Params, params};

use super::decode::{candidate_row, check_format, failure, key, rollout_row, run_row};
use super::place::Place;
use super::value::{Columns, RowError, RunNumber, int};

const RUN: &str = "SELECT format, run_id, name, created_at, config, policy_provider, \
     policy_model, template, pareto, validation, summary FROM runs";

const CANDIDATE: &str = "SELECT c.run_id, c.iteration, c.candidate_id, c.archive_index, \
     c.origin, c.parents, c.status, c.close_reason, c.gate_passed, c.gate_compared, \
     c.gate_parent_sum, c.gate_child_sum, c.mean_score, c.scores, c.objectives, \
     c.validation_score, c.validation_scores, c.accepted_seq, c.evicted_seq, c.created_at, \
     t.components FROM candidates c LEFT JOIN texts t USING (candidate_id)";

/// All runs.
pub(super) fn runs(connection: &Connection, place: &Place) -> Result<Vec<RunRow>, StoreError> {
    let sql = format!("{RUN} ORDER BY id");
    rows(connection, place, "the runs", &sql, [], run_row)?
        .into_iter()
        .collect()
}

/// One run.
pub(super) fn run(
    connection: &Connection,
    place: &Place,
    run: &RunId,
) -> Result<RunRow, StoreError> {
    let sql = format!("{RUN} WHERE run_id = ?1");
    let what = format!("run `{run}`");
    let mut found = rows(connection, place, &what, &sql, [run.as_str()], run_row)?;
    found
        .pop()
        .unwrap_or_else(|| Err(StoreError::UnknownRun(run.to_string())))
}

/// The number of a run, and where its journal ends.
pub(super) fn standing(
    connection: &Connection,
    place: &Place,
    run: &RunId,
) -> Result<(RunNumber, Seq), StoreError> {
    let what = format!("run `{run}`");
    let sql = "SELECT id, format FROM runs WHERE run_id = ?1";
    let mut found = rows(connection, place, &what, sql, [run.as_str()], |columns| {
        Ok((RunNumber(columns.get()?), columns.number()?))
    })?;
    let Some((number, format)) = found.pop() else {
        return Err(StoreError::UnknownRun(run.to_string()));
    };
    check_format(format)?;
    let sql = "SELECT seq FROM events WHERE id > ?1 AND id < ?2 ORDER BY id DESC LIMIT 1";
    let range = params![number.first(), number.end()];
    let last = rows(connection, place, &what, sql, range, |columns| {
        columns.seq()
    })?
    .pop();
    Ok((number, last.unwrap_or_default()))
}

/// A page of the journal.
pub(super) fn events(
    connection: &Connection,
    place: &Place,
    run: &RunId,
    number: RunNumber,
    after: Seq,
    limit: usize,
) -> Result<Vec<Event>, StoreError> {
    rows(
        connection,
        place,
        &format!("the journal of run `{run}`"),
        "SELECT seq, at, body FROM events WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3",
        params![number.key(after), number.end(), int(limit as u64)],
        |columns| {
            let (seq, at) = (columns.seq()?, columns.time()?);
            let body = columns
                .event()
                .map_err(|error| error.of(format_args!("event {seq}")))?;
            Ok(Event { seq, at, body })
        },
    )
}

/// All candidates of a run.
pub(super) fn candidates(
    connection: &Connection,
    place: &Place,
    run: &RunId,
) -> Result<Vec<CandidateRow>, StoreError> {
    let sql = format!("{CANDIDATE} WHERE c.run_id = ?1 ORDER BY c.id");
    let what = format!("the candidates of run `{run}`");
    rows(
        connection,
        place,
        &what,
        &sql,
        [run.as_str()],
        candidate_row,
    )
}

/// An accepted candidate of a run.
pub(super) fn member(
    connection: &Connection,
    place: &Place,
    run: &RunId,
    index: CandidateIndex,
) -> Result<Option<CandidateRow>, StoreError> {
    let sql = format!("{CANDIDATE} WHERE c.run_id = ?1 AND c.archive_index = ?2");
    let what = format!("candidate {index} of run `{run}`");
    let key = params![run.as_str(), index.0];
    Ok(rows(connection, place, &what, &sql, key, candidate_row)?.pop())
}

/// All trials of a run.
pub(super) fn trials(
    connection: &Connection,
    place: &Place,
    run: &RunId,
) -> Result<Vec<TrialRow>, StoreError> {
    rows(
        connection,
        place,
        &format!("the trials of run `{run}`"),
        "SELECT iteration, trial_index, candidate_id, phase, stage, seeds, reused, \
         scored, failed, mean_score, executed, calls, prompt_tokens, completion_tokens, \
         cached_tokens, unknown_tokens, cost_micro_usd, unpriced_calls, started_at, finished_at \
         FROM trials WHERE run_id = ?1 ORDER BY id",
        [run.as_str()],
        |columns| {
            let key = key(columns)?;
            Ok(TrialRow {
                run_id: run.clone(),
                trial_id: key.id(run),
                key,
                candidate_id: columns.content_id()?,
                phase: columns.word()?,
                stage: columns.word()?,
                examples: columns.json()?,
                reused: columns.number()?,
                scored: columns.optional_number()?,
                failed: columns.optional_number()?,
                mean_score: columns.get()?,
                executed: columns.count()?,
                usage: columns.usage()?,
                started_at: columns.time()?,
                finished_at: columns.optional_number()?.map(Timestamp),
            })
        },
    )
}

/// A page of a run's rollouts.
pub(super) fn rollouts(
    connection: &Connection,
    place: &Place,
    run: &RunId,
    number: RunNumber,
    after: Seq,
    limit: usize,
) -> Result<Vec<RolloutRow>, StoreError> {
    rows(
        connection,
        place,
        &format!("the rollouts of run `{run}`"),
        "SELECT iteration, trial_index, position, candidate_id, phase, stage, seed, \
         attempts, outcome, score, error, calls, prompt_tokens, completion_tokens, \
         cached_tokens, unknown_tokens, cost_micro_usd, unpriced_calls, judge_calls, \
         judge_prompt_tokens, judge_completion_tokens, judge_cached_tokens, \
         judge_unknown_tokens, judge_cost_micro_usd, judge_unpriced_calls, started_at, \
         finished_at, seq FROM rollouts WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3",
        params![number.key(after), number.end(), int(limit as u64)],
        |columns| rollout_row(run, columns),
    )
}

/// All reflections of a run.
pub(super) fn reflections(
    connection: &Connection,
    place: &Place,
    run: &RunId,
) -> Result<Vec<ReflectionRow>, StoreError> {
    rows(
        connection,
        place,
        &format!("the reflections of run `{run}`"),
        "SELECT iteration, component, attempt, failure, error, calls, prompt_tokens, \
         completion_tokens, cached_tokens, unknown_tokens, cost_micro_usd, unpriced_calls, \
         started_at, finished_at, seq FROM reflections WHERE run_id = ?1 ORDER BY seq",
        [run.as_str()],
        |columns| {
            Ok(ReflectionRow {
                run_id: run.clone(),
                iteration: columns.count()?,
                component: columns.get()?,
                attempt: columns.number()?,
                failure: failure(columns)?,
                usage: columns.usage()?,
                started_at: columns.time()?,
                finished_at: columns.time()?,
                seq: columns.seq()?,
            })
        },
    )
}

/// All snapshots of a run.
pub(super) fn snapshots(
    connection: &Connection,
    place: &Place,
    run: &RunId,
) -> Result<Vec<SnapshotRow>, StoreError> {
    rows(
        connection,
        place,
        &format!("the snapshots of run `{run}`"),
        "SELECT snapshot_id, ordinal, tag, best, subject, score, token_count, created_at, seq, \
         counters, validation FROM snapshots WHERE run_id = ?1 ORDER BY id",
        [run.as_str()],
        |columns| {
            Ok(SnapshotRow {
                snapshot_id: columns.get()?,
                run_id: run.clone(),
                ordinal: columns.count()?,
                tag: columns.tag()?,
                best: CandidateIndex(columns.number()?),
                subject: CandidateIndex(columns.number()?),
                score: columns.get()?,
                token_count: columns.count()?,
                created_at: columns.time()?,
                seq: columns.seq()?,
                counters: columns.json()?,
                validation: columns.json()?,
            })
        },
    )
}

/// All artifacts of a run.
pub(super) fn artifacts(
    connection: &Connection,
    place: &Place,
    run: &RunId,
) -> Result<Vec<ArtifactRow>, StoreError> {
    rows(
        connection,
        place,
        &format!("the artifacts of run `{run}`"),
        "SELECT snapshot_id, label, candidate, created_at FROM artifacts \
         WHERE run_id = ?1 ORDER BY id",
        [run.as_str()],
        |columns| {
            Ok(ArtifactRow {
                run_id: run.clone(),
                snapshot_id: columns.get()?,
                label: columns.get()?,
                candidate: CandidateIndex(columns.number()?),
                created_at: columns.time()?,
            })
        },
    )
}

/// What SQLite finds wrong with the database, a line each.
pub(super) fn integrity(connection: &Connection, place: &Place) -> Result<Vec<String>, StoreError> {
    let mut findings = rows(
        connection,
        place,
        "the database",
        "PRAGMA integrity_check",
        [],
        finding,
    )?;
    findings.retain(|finding| finding != "ok");
    findings.extend(rows(
        connection,
        place,
        "the database",
        "SELECT \"table\", \"parent\" FROM pragma_foreign_key_check",
        [],
        |columns| {
            let (table, parent): (String, String) = (columns.get()?, columns.get()?);
            Ok(format!(
                "a row of `{table}` refers to a row of `{parent}` that does not exist"
            ))
        },
    )?);
    Ok(findings)
}

fn rows<T>(
    connection: &Connection,
    place: &Place,
    what: &str,
    sql: &str,
    values: impl Params,
    row: impl Fn(&mut Columns<'_, '_>) -> Result<T, RowError>,
) -> Result<Vec<T>, StoreError> {
    read_rows(connection, sql, values, row).map_err(|error| match error {
        RowError::Sqlite(error) => place.explain(&error),
        RowError::Value(detail) => StoreError::Damaged {
            what: what.to_owned(),
            detail,
        },
    })
}

fn read_rows<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    row: impl Fn(&mut Columns<'_, '_>) -> Result<T, RowError>,
) -> Result<Vec<T>, RowError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query(values)?;
    let mut read = Vec::new();
    while let Some(next) = found.next()? {
        read.push(row(&mut Columns::new(next))?);
    }
    Ok(read)
}

fn finding(columns: &mut Columns<'_, '_>) -> Result<String, RowError> {
    columns.get()
}
