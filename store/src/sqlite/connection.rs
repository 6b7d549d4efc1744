//! Opens connections.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use gepa_engine::StoreError;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::place::Place;
use super::schema;

/// The time for which a connection waits for another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// The number of prepared statements kept per connection. It exceeds the number of statements in
/// use.
const STATEMENTS: usize = 64;

/// Opens the writing connection and creates the database if there is none.
pub(super) fn open_writer(place: &Place) -> Result<Connection, StoreError> {
    if let Some(folder) = place.path().parent() {
        fs::create_dir_all(folder).map_err(|error| place.explain_io(folder, &error))?;
    }
    refuse_folder(place)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(place.path(), flags).map_err(|error| place.explain(&error))?;
    // Checked before the first write, because the file may belong to another program.
    schema::check(&connection, place)?;
    prepare_writer(&connection).map_err(|error| place.explain(&error))?;
    schema::migrate(&mut connection, place)?;
    Ok(connection)
}

/// Checks that there is a database that this code can read.
pub(super) fn check_existing(place: &Place) -> Result<(), StoreError> {
    if !place.path().exists() {
        return Err(StoreError::Storage(format!(
            "{place}: there is none; begin a run to make it, or name another store"
        )));
    }
    refuse_folder(place)?;
    let format = schema::check(&open_reader(place)?, place)?;
    if format < schema::OLDEST_READABLE {
        return Err(StoreError::Storage(format!(
            "{place}: it holds no runs yet; begin a run with it"
        )));
    }
    Ok(())
}

/// Opens a connection that cannot write.
pub(super) fn open_reader(place: &Place) -> Result<Connection, StoreError> {
    read_only(place.path()).map_err(|error| place.explain(&error))
}

fn refuse_folder(place: &Place) -> Result<(), StoreError> {
    if place.path().is_dir() {
        return Err(StoreError::Storage(format!(
            "{place}: it is a folder; name a file in it"
        )));
    }
    Ok(())
}

fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

fn prepare_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    enter_wal(connection)?;
    // An append is durable when it returns, even if the power fails afterwards.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -16_000)?;
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    Ok(())
}

/// SQLite does not wait for other connections when it switches to WAL, so this function does.
fn enter_wal(connection: &Connection) -> rusqlite::Result<()> {
    let mut waited = Duration::ZERO;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && waited < BUSY_TIMEOUT =>
            {
                thread::sleep(BUSY_PAUSE);
                waited += BUSY_PAUSE;
            }
            other => return other,
        }
    }
}
