//! Deleting runs, and giving their space back to the system.

use std::fs;

use gepa_engine::{RunId, StoreError, branches_of};
use rusqlite::{Connection, ToSql, params};

use super::claim;
use super::connection::open_writer;
use super::place::Place;
use super::read;
use super::value::RunNumber;

/// Tables whose ids begin with the number of the run.
const NUMBERED: [&str; 2] = ["events", "rollouts"];

/// Tables that name the run in each row.
const OF_RUN: [&str; 6] = [
    "labels",
    "snapshots",
    "reflections",
    "trials",
    "candidates",
    "runs",
];

/// Bytes of a row beside its values.
const AROUND_A_ROW: u64 = 16;

/// Fails while another run branches from this one.
pub(super) fn check_unneeded(
    connection: &Connection,
    place: &Place,
    run: &RunId,
) -> Result<(), StoreError> {
    let by = branches_of(run, &read::runs(connection, place)?);
    if by.is_empty() {
        return Ok(());
    }
    Err(StoreError::Needed {
        run: run.clone(),
        by,
    })
}

/// Deletes a run with everything that belongs to it alone. Returns the bytes of the pages that became
/// free.
pub(super) fn delete(
    connection: &Connection,
    run: &RunId,
    number: RunNumber,
) -> rusqlite::Result<u64> {
    let before = free_bytes(connection)?;
    let texts: Vec<String> = connection
        .prepare("SELECT DISTINCT candidate_id FROM candidates WHERE run_id = ?1")?
        .query_map([run.as_str()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for table in NUMBERED {
        let sql = format!("DELETE FROM {table} WHERE id > ?1 AND id < ?2");
        connection.execute(&sql, params![number.first(), number.end()])?;
    }
    for table in OF_RUN {
        let sql = format!("DELETE FROM {table} WHERE run_id = ?1");
        connection.execute(&sql, [run.as_str()])?;
    }
    let mut unused = connection.prepare(
        "DELETE FROM texts WHERE candidate_id = ?1 \
         AND NOT EXISTS (SELECT 1 FROM candidates WHERE candidate_id = ?1)",
    )?;
    for text in texts {
        unused.execute([text])?;
    }
    Ok(free_bytes(connection)?.saturating_sub(before))
}

/// About how many bytes a deletion would free: the values of all rows.
pub(super) fn bytes(
    connection: &Connection,
    place: &Place,
    run: &RunId,
    number: RunNumber,
) -> Result<u64, StoreError> {
    sum_of_values(connection, run, number).map_err(|error| place.explain(&error))
}

fn sum_of_values(connection: &Connection, run: &RunId, number: RunNumber) -> rusqlite::Result<u64> {
    let mut sum = 0;
    for table in NUMBERED {
        let clause = "WHERE id > ?1 AND id < ?2";
        let ends = params![number.first(), number.end()];
        sum += values_of(connection, table, clause, ends)?;
    }
    for table in OF_RUN {
        sum += values_of(
            connection,
            table,
            "WHERE run_id = ?1",
            params![run.as_str()],
        )?;
    }
    let own_texts = "WHERE candidate_id IN (SELECT candidate_id FROM candidates WHERE run_id = ?1) \
         AND NOT EXISTS (SELECT 1 FROM candidates AS other \
         WHERE other.candidate_id = texts.candidate_id AND other.run_id <> ?1)";
    sum += values_of(connection, "texts", own_texts, params![run.as_str()])?;
    Ok(sum)
}

fn values_of(
    connection: &Connection,
    table: &str,
    clause: &str,
    parameters: &[&dyn ToSql],
) -> rusqlite::Result<u64> {
    let mut columns = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let columns = columns.query_map([table], |row| row.get::<_, String>(0))?;
    let mut lengths = Vec::new();
    for column in columns {
        lengths.push(format!("coalesce(octet_length(\"{}\"), 0)", column?));
    }
    let lengths = lengths.join(" + ");
    let sql = format!("SELECT count(*), coalesce(sum({lengths}), 0) FROM {table} {clause}");
    connection.query_row(&sql, parameters, |row| {
        let (rows, values): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(rows.unsigned_abs() * AROUND_A_ROW + values.unsigned_abs())
    })
}

fn free_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let value = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = value("freelist_count")?;
    Ok((pages * value("page_size")?).unsigned_abs())
}

/// Writes the database anew without its free pages. A run that is being written would wait, so the
/// claims are looked at before.
pub(super) fn compact(place: &Place) -> Result<u64, StoreError> {
    let connection = open_writer(place)?;
    for run in read::runs(&connection, place)? {
        if claim::is_claimed(place, &run.run_id)? {
            return Err(StoreError::Claimed {
                holder: claim::holder_of(place, &run.run_id),
                run: run.run_id,
            });
        }
    }
    let before = size(place);
    // What is in the log belongs to the size as well, so it is moved into the file first.
    let compacted = connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
    compacted.map_err(|error| place.explain(&error))?;
    Ok(before.saturating_sub(size(place)))
}

fn size(place: &Place) -> u64 {
    let files = [place.path().to_owned(), place.beside("-wal")];
    let sizes = files.iter().filter_map(|path| fs::metadata(path).ok());
    sizes.map(|file| file.len()).sum()
}
