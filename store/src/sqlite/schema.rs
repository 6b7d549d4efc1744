//! Migrations: the format of a database, and the steps to the newest format.

use gepa_engine::StoreError;
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

/// Migrates a database to the newest format.
pub(super) fn migrate(connection: &mut Connection, place: &Place) -> Result<(), StoreError> {
    if check(connection, place)? == SCHEMA_FORMAT {
        return Ok(());
    }
    apply(connection).map_err(|error| place.explain(&error))
}

fn apply(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have migrated while this one waited for the lock.
    let found = format_of(&transaction)?;
    for migration in MIGRATIONS.iter().skip(found as usize) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_FORMAT)?;
    transaction.commit()
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
