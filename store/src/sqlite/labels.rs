//! What people wrote beside runs.

use std::collections::BTreeMap;
use std::fmt::Display;

use gepa_engine::{RunId, RunLabels, StoreError, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::place::Place;

type Columns = (String, String, Option<i64>);

/// The labels of all runs that have some. A database of an earlier format has none.
pub(super) fn all(
    connection: &Connection,
    place: &Place,
) -> Result<BTreeMap<RunId, RunLabels>, StoreError> {
    let found = read_all(connection).map_err(|error| place.explain(&error))?;
    let labels = found.into_iter().map(|(run, columns)| {
        let labels = decoded(&run, columns)?;
        let run = run.parse().map_err(|_| damaged(&run, "its id"))?;
        Ok((run, labels))
    });
    labels.collect()
}

/// The labels of one run.
pub(super) fn of(
    connection: &Connection,
    place: &Place,
    run: &RunId,
) -> Result<RunLabels, StoreError> {
    let read = || {
        let sql = "SELECT tags, note, archived_at FROM labels WHERE run_id = ?1";
        let mut statement = connection.prepare_cached(sql)?;
        statement
            .query_row([run.as_str()], |row| columns(row, 0))
            .optional()
    };
    let found: Option<Columns> = read().map_err(|error| place.explain(&error))?;
    found.map_or_else(
        || Ok(RunLabels::default()),
        |columns| decoded(run.as_str(), columns),
    )
}

/// Writes a run's labels and its name.
pub(super) fn write(
    connection: &Connection,
    run: &RunId,
    name: &str,
    labels: &RunLabels,
) -> rusqlite::Result<()> {
    let tags = serde_json::json!(labels.tags).to_string();
    connection.execute(
        "INSERT INTO labels (run_id, tags, note, archived_at) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (run_id) DO UPDATE SET tags = ?2, note = ?3, archived_at = ?4",
        params![
            run.as_str(),
            tags,
            labels.note,
            labels.archived_at.map(|at| at.0)
        ],
    )?;
    let sql = "UPDATE runs SET name = ?2 WHERE run_id = ?1 AND name <> ?2";
    connection.execute(sql, params![run.as_str(), name])?;
    Ok(())
}

/// Whether the database has a table of labels. One of an earlier format has none.
pub(super) fn exist(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'labels'";
    let tables: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(tables > 0)
}

fn read_all(connection: &Connection) -> rusqlite::Result<Vec<(String, Columns)>> {
    if !exist(connection)? {
        return Ok(Vec::new());
    }
    let sql = "SELECT run_id, tags, note, archived_at FROM labels";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, columns(row, 1)?)))?;
    rows.collect()
}

fn columns(row: &Row<'_>, first: usize) -> rusqlite::Result<Columns> {
    Ok((row.get(first)?, row.get(first + 1)?, row.get(first + 2)?))
}

fn decoded(run: &str, (tags, note, archived_at): Columns) -> Result<RunLabels, StoreError> {
    let tags = serde_json::from_str(&tags);
    Ok(RunLabels {
        tags: tags.map_err(|error| damaged(run, error))?,
        note,
        archived_at: archived_at.map(Timestamp),
    })
}

fn damaged(run: &str, detail: impl Display) -> StoreError {
    StoreError::Damaged {
        what: format!("the labels of run `{run}`"),
        detail: detail.to_string(),
    }
}
