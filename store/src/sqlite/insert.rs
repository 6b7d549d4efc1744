//! Inserts new rows.

use std::sync::LazyLock;

use gepa_engine::record::{
    CandidateRow, Cell, ReflectionRow, RolloutRow, RunRow, SnapshotRow, Stored, TrialRow,
};
use gepa_engine::{Event, JOURNAL_FORMAT, RunId};
use rusqlite::{Connection, Result, Statement, params};

use super::value::{Parameter, RunNumber, cells, execute, insert_sql, int};

static RUN: LazyLock<String> = LazyLock::new(|| insert_sql::<RunRow>(&["format"], RunRow::COLUMNS));
static CANDIDATE: LazyLock<String> =
    LazyLock::new(|| insert_sql::<CandidateRow>(&[], candidate_columns()));
static TRIAL: LazyLock<String> = LazyLock::new(|| insert_sql::<TrialRow>(&[], TrialRow::COLUMNS));
static REFLECTION: LazyLock<String> =
    LazyLock::new(|| insert_sql::<ReflectionRow>(&[], ReflectionRow::COLUMNS));
static SNAPSHOT: LazyLock<String> =
    LazyLock::new(|| insert_sql::<SnapshotRow>(&[], SnapshotRow::COLUMNS));

/// For [`event`].
pub(super) const EVENT: &str =
    "INSERT INTO events (id, run_id, seq, at, kind, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// For [`rollout`].
pub(super) static ROLLOUT: LazyLock<String> =
    LazyLock::new(|| insert_sql::<RolloutRow>(&["id"], RolloutRow::COLUMNS));

/// The columns of a candidate without its texts, which have their own table.
fn candidate_columns() -> &'static [&'static str] {
    &CandidateRow::COLUMNS[..CandidateRow::COLUMNS.len() - 1]
}

pub(super) fn run(connection: &Connection, row: &RunRow) -> Result<()> {
    let mut statement = connection.prepare_cached(&RUN)?;
    execute(&mut statement, &cells(&[JOURNAL_FORMAT.into()], row))?;
    Ok(())
}

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
        Parameter(Cell::json(&event.body)),
    ])?;
    Ok(())
}

pub(super) fn candidate(connection: &Connection, row: &CandidateRow) -> Result<()> {
    let mut values = cells(&[], row);
    let texts = values.pop();
    connection
        .prepare_cached(
            "INSERT INTO texts (candidate_id, components) VALUES (?1, ?2) \
             ON CONFLICT (candidate_id) DO UPDATE SET components = excluded.components \
             WHERE components <> excluded.components",
        )?
        .execute(params![row.candidate_id.to_string(), texts])?;
    let mut statement = connection.prepare_cached(&CANDIDATE)?;
    execute(&mut statement, &values)?;
    Ok(())
}

pub(super) fn trial(connection: &Connection, row: &TrialRow) -> Result<()> {
    insert(connection, &TRIAL, row)
}

pub(super) fn rollout(
    statement: &mut Statement<'_>,
    number: RunNumber,
    row: &RolloutRow,
) -> Result<()> {
    execute(statement, &cells(&[number.key(row.seq)], row))?;
    Ok(())
}

pub(super) fn reflection(connection: &Connection, row: &ReflectionRow) -> Result<()> {
    insert(connection, &REFLECTION, row)
}

pub(super) fn snapshot(connection: &Connection, row: &SnapshotRow) -> Result<()> {
    insert(connection, &SNAPSHOT, row)
}

fn insert<R: Stored>(connection: &Connection, sql: &str, row: &R) -> Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    execute(&mut statement, &cells(&[], row))?;
    Ok(())
}
