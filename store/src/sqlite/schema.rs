//! Migrations: the format of a database, and the steps to the newest format. A column that a row type
//! has gained is no step: it is added to a database of any format that lacks it, and a program that
//! does not know the column leaves it null.

use std::collections::BTreeSet;

use gepa_engine::StoreError;
use gepa_engine::record::{ColumnKind, StoredColumn, lacking_columns};
use rusqlite::{Connection, TransactionBehavior};

use super::place::Place;

/// The migrations in order; the first makes format 1. A released migration never changes.
const MIGRATIONS: [&str; 4] = [
    include_str!("../../migrations/sqlite/0001_journal.sql"),
    include_str!("../../migrations/sqlite/0002_no_artifacts.sql"),
    include_str!("../../migrations/sqlite/0003_claims.sql"),
    include_str!("../../migrations/sqlite/0004_labels.sql"),
];

/// The bytes `GEPA`, which distinguish our database from one of another program.
const APPLICATION_ID: i32 = 0x4745_5041;

/// The newest format that this code knows.
const SCHEMA_FORMAT: u32 = MIGRATIONS.len() as u32;

/// The oldest format whose tables can be read without a migration.
pub(super) const OLDEST_READABLE: u32 = 1;

/// The values that identify the program that owns a database.
struct Marks {
    format: u32,
    application: i32,
    is_empty: bool,
}

/// Refuses a database that is not ours or too new. Returns its format, 0 for an empty one.
pub(super) fn check(connection: &Connection, place: &Place) -> Result<u32, StoreError> {
    let marks = marks(connection).map_err(|error| place.explain(&error))?;
    if !marks.is_empty && marks.application != APPLICATION_ID {
        return Err(StoreError::Storage(format!(
            "{place}: it is a database of another program; name another store"
        )));
    }
    if marks.format > SCHEMA_FORMAT {
        return Err(StoreError::NewerFormat {
            found: marks.format,
            known: SCHEMA_FORMAT,
        });
    }
    Ok(marks.format)
}

/// Migrates a database to the newest format, and adds the columns that its tables lack.
pub(super) fn migrate(connection: &mut Connection, place: &Place) -> Result<(), StoreError> {
    let explain = |error| place.explain(&error);
    let is_newest = check(connection, place)? == SCHEMA_FORMAT;
    if is_newest && lacking(connection).map_err(explain)?.is_empty() {
        return Ok(());
    }
    apply(connection).map_err(explain)?;
    // A newer program may have migrated first.
    check(connection, place).map(drop)
}

/// The SELECT of a row type with null for the columns that the table lacks: nothing has opened the
/// database for writing since they were added. `None` if the table has them all.
pub(super) fn with_nulls(connection: &Connection, sql: &str) -> rusqlite::Result<Option<String>> {
    let Some((names, rest)) = sql
        .strip_prefix("SELECT ")
        .and_then(|list| list.split_once(" FROM "))
    else {
        return Ok(None);
    };
    let mut lacking = lacking(connection)?;
    lacking.retain(|column| rest.split_whitespace().next() == Some(column.table));
    if lacking.is_empty() {
        return Ok(None);
    }
    let names = names.split(", ").map(|name| {
        if lacking.iter().any(|column| column.name == name) {
            return format!("NULL AS {name}");
        }
        name.to_owned()
    });
    let names = names.collect::<Vec<_>>().join(", ");
    Ok(Some(format!("SELECT {names} FROM {rest}")))
}

fn apply(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have migrated while this one waited for the lock.
    let found = format_of(&transaction)?;
    for migration in MIGRATIONS.iter().skip(found as usize) {
        transaction.execute_batch(migration)?;
    }
    for StoredColumn { table, name, kind } in lacking(&transaction)? {
        let sql_type = match kind {
            ColumnKind::Integer => "INTEGER",
            ColumnKind::Real => "REAL",
            ColumnKind::Text => "TEXT",
            ColumnKind::IntegerOrText => "ANY",
        };
        transaction.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {name} {sql_type}"))?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_FORMAT.max(found))?;
    transaction.commit()
}

fn lacking(connection: &Connection) -> rusqlite::Result<Vec<StoredColumn>> {
    let mut columns = connection.prepare_cached(
        "SELECT t.name, c.name FROM sqlite_schema AS t JOIN pragma_table_xinfo(t.name) AS c \
         WHERE t.type = 'table'",
    )?;
    let present = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let present: BTreeSet<(String, String)> = present.collect::<Result<_, _>>()?;
    Ok(lacking_columns(&present))
}

/// Both are read in one transaction, because another process may be migrating.
fn marks(connection: &Connection) -> rusqlite::Result<Marks> {
    let transaction = connection.unchecked_transaction()?;
    Ok(Marks {
        format: format_of(&transaction)?,
        application: transaction.pragma_query_value(None, "application_id", |row| row.get(0))?,
        is_empty: transaction.query_row("SELECT COUNT(*) = 0 FROM sqlite_schema", [], |row| {
            row.get(0)
        })?,
    })
}

fn format_of(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
