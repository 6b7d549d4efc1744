//! Queries.

use std::sync::LazyLock;

use gepa_engine::record::{
    CandidateRow, Cell, Column, ReflectionRow, RolloutRow, RunRow, SnapshotRow, Stored, TrialRow,
};
use gepa_engine::{Event, JOURNAL_FORMAT, RunId, Seq, StoreError};
use rusqlite::{Connection, Params, params, params_from_iter};

use super::place::Place;
use super::schema;
use super::value::{Columns, Parameter, RowError, RunNumber, int, select_sql};

static RUN: LazyLock<String> =
    LazyLock::new(|| format!("SELECT format, {} FROM runs", RunRow::COLUMNS.join(", ")));
pub(super) static CANDIDATES: LazyLock<String> = LazyLock::new(|| {
    let select = numbered_sql::<CandidateRow>("id");
    format!("{select} LEFT JOIN texts USING (candidate_id) WHERE run_id = ?1")
});
pub(super) static TRIALS: LazyLock<String> = LazyLock::new(|| of_run_sql::<TrialRow>("id"));
pub(super) static REFLECTIONS: LazyLock<String> =
    LazyLock::new(|| of_run_sql::<ReflectionRow>("seq"));
pub(super) static SNAPSHOTS: LazyLock<String> = LazyLock::new(|| of_run_sql::<SnapshotRow>("id"));
static ROLLOUTS: LazyLock<String> = LazyLock::new(|| {
    let select = select_sql::<RolloutRow>();
    format!("{select} WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3")
});
static FAILED_ROLLOUT: LazyLock<String> = LazyLock::new(|| {
    let select = select_sql::<RolloutRow>();
    format!(
        "{select} WHERE run_id = ?1 AND iteration = ?2 AND trial_index = ?3 AND position = ?4 \
         AND outcome <> 'scored'"
    )
});

fn of_run_sql<R: Stored>(order: &str) -> String {
    let select = numbered_sql::<R>(order);
    format!("{select} WHERE run_id = ?1")
}

/// The SELECT of a row type, with the column of its order before the others.
fn numbered_sql<R: Stored>(order: &str) -> String {
    format!(
        "SELECT {order}, {} FROM {}",
        R::COLUMNS.join(", "),
        R::TABLE
    )
}

/// All runs.
pub(super) fn runs(connection: &Connection, place: &Place) -> Result<Vec<RunRow>, StoreError> {
    let sql = format!("{} ORDER BY id", *RUN);
    rows(connection, place, "the runs", &sql, [], run_row)?
        .into_iter()
        .collect()
}

/// The newest runs before one of them.
pub(super) fn runs_before(
    connection: &Connection,
    place: &Place,
    before: Option<&RunId>,
    limit: usize,
) -> Result<Vec<RunRow>, StoreError> {
    let sql = format!(
        "{} WHERE ?1 IS NULL OR id < (SELECT id FROM runs WHERE run_id = ?1) ORDER BY id DESC LIMIT ?2",
        *RUN
    );
    let range = params![before.map(RunId::as_str), limit as i64];
    rows(connection, place, "the runs", &sql, range, run_row)?
        .into_iter()
        .collect()
}

/// The runs of these numbers, newest first.
pub(super) fn runs_of(
    connection: &Connection,
    place: &Place,
    numbers: &[i64],
) -> Result<Vec<RunRow>, StoreError> {
    let sql = format!(
        "{} WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY id DESC",
        *RUN
    );
    let numbers = serde_json::json!(numbers).to_string();
    rows(connection, place, "the runs", &sql, [numbers], run_row)?
        .into_iter()
        .collect()
}

/// The ids that begin or, if none does, end with a text.
pub(super) fn run_ids(
    connection: &Connection,
    place: &Place,
    text: &str,
    limit: usize,
) -> Result<Vec<RunId>, StoreError> {
    let begin = "SELECT run_id FROM runs WHERE run_id >= ?1 AND run_id < ?2 UNION \
                 SELECT run_id FROM runs WHERE run_id >= ?3 AND run_id < ?4 ORDER BY 1 LIMIT ?5";
    let end = "SELECT run_id FROM runs WHERE substr(run_id, -length(?1)) = ?1 ORDER BY 1 LIMIT ?2";
    let full = format!("{}{text}", RunId::PREFIX);
    let after = |text: &str| format!("{text}{}", char::MAX);
    let (one, two) = (after(text), after(&full));
    let range = params![text, one, full, two, limit as i64];
    let id = |columns: &mut Columns<'_, '_>| columns.get::<RunId>();
    let found = rows(connection, place, "the runs", begin, range, id)?;
    if found.is_empty() {
        return rows(
            connection,
            place,
            "the runs",
            end,
            params![text, limit as i64],
            id,
        );
    }
    Ok(found)
}

/// One run.
pub(super) fn run(
    connection: &Connection,
    place: &Place,
    run: &RunId,
) -> Result<RunRow, StoreError> {
    let sql = format!("{} WHERE run_id = ?1", *RUN);
    let what = format!("run `{run}`");
    let mut found = rows(connection, place, &what, &sql, [run.as_str()], run_row)?;
    found
        .pop()
        .unwrap_or_else(|| Err(StoreError::UnknownRun(run.to_string())))
}

/// The inner error is about a run whose journal this program cannot read.
fn run_row(columns: &mut Columns<'_, '_>) -> Result<Result<RunRow, StoreError>, RowError> {
    if let Err(error) = check_format(columns.get()?) {
        return Ok(Err(error));
    }
    columns.row().map(Ok)
}

/// Refuses a journal this program cannot read.
fn check_format(found: u32) -> Result<(), StoreError> {
    if found > JOURNAL_FORMAT {
        return Err(StoreError::NewerFormat {
            found,
            known: JOURNAL_FORMAT,
        });
    }
    Ok(())
}

/// The number of a run, and the last event of its journal.
pub(super) fn standing(
    connection: &Connection,
    place: &Place,
    run: &RunId,
) -> Result<(RunNumber, Seq), StoreError> {
    let what = format!("run `{run}`");
    let sql = "SELECT id, format FROM runs WHERE run_id = ?1";
    let mut found = rows(connection, place, &what, sql, [run.as_str()], |columns| {
        Ok((RunNumber(columns.integer()?), columns.get()?))
    })?;
    let Some((number, format)) = found.pop() else {
        return Err(StoreError::UnknownRun(run.to_string()));
    };
    check_format(format)?;
    let sql = "SELECT seq FROM events WHERE id > ?1 AND id < ?2 ORDER BY id DESC LIMIT 1";
    let range = params![number.first(), number.end()];
    let last = rows(connection, place, &what, sql, range, |columns| {
        columns.get::<Seq>()
    })?
    .pop();
    Ok((number, last.unwrap_or_default()))
}

/// The number and the owner of a run's newest claim; `None` for a run that does not exist.
pub(super) fn claim(
    connection: &Connection,
    place: &Place,
    run: &RunId,
) -> Result<Option<(u64, String)>, StoreError> {
    let what = format!("run `{run}`");
    let sql = "SELECT claim_number, claim_owner FROM runs WHERE run_id = ?1";
    let mut found = rows(connection, place, &what, sql, [run.as_str()], |columns| {
        Ok((columns.get()?, columns.get()?))
    })?;
    Ok(found.pop())
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
            let (seq, at) = (columns.get::<Seq>()?, columns.get()?);
            let body = columns
                .event()
                .map_err(|error| error.of(format_args!("event {seq}")))?;
            Ok(Event { seq, at, body })
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
    let what = format!("the rollouts of run `{run}`");
    let range = params![number.key(after), number.end(), int(limit as u64)];
    rows(connection, place, &what, &ROLLOUTS, range, |columns| {
        columns.row()
    })
}

/// The earlier failure of the rollout `again`, if there is one.
pub(super) fn failed_rollout(
    connection: &Connection,
    place: &Place,
    run: &RunId,
    again: &RolloutRow,
) -> Result<Option<RolloutRow>, StoreError> {
    let what = format!("the rollouts of run `{run}`");
    let mut values = vec![Cell::text(run.as_str())];
    again.key.write(&mut values);
    again.position.write(&mut values);
    let values = params_from_iter(values.into_iter().map(Parameter));
    let mut found = rows(connection, place, &what, &FAILED_ROLLOUT, values, whole_row)?;
    Ok(found.pop())
}

fn whole_row<R: Stored>(columns: &mut Columns<'_, '_>) -> Result<R, RowError> {
    columns.row()
}

/// All rows of a table that belong to a run, in their order.
pub(super) fn of_run<R: Stored>(
    connection: &Connection,
    place: &Place,
    run: &RunId,
    sql: &str,
) -> Result<Vec<R>, StoreError> {
    let what = format!("the {} of run `{run}`", R::TABLE);
    let mut found = rows(connection, place, &what, sql, [run.as_str()], |columns| {
        Ok((columns.integer()?, columns.row()?))
    })?;
    // SQLite would copy all rows to sort them, with their texts.
    found.sort_by_key(|(number, _)| *number);
    Ok(found.into_iter().map(|(_, row)| row).collect())
}

/// The problems that SQLite finds in the database, one line each.
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
    let mut statement = match connection.prepare_cached(sql) {
        Ok(statement) => statement,
        Err(error) => match schema::with_nulls(connection, sql)? {
            Some(sql) => connection.prepare_cached(&sql)?,
            None => return Err(error.into()),
        },
    };
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
