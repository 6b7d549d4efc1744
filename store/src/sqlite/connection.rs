//! Opens connections.

use std::fmt::Write as _;
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
    let cannot_write = [ErrorCode::CannotOpen, ErrorCode::ReadOnly];
    match read_only(place.path(), OpenFlags::empty()) {
        Err(error)
            if place.path().is_file()
                && error
                    .sqlite_error_code()
                    .is_some_and(|code| cannot_write.contains(&code)) =>
        {
            open_in_unwritable_folder(place, &error)
        }
        opened => opened.map_err(|error| place.explain(&error)),
    }
}

fn refuse_folder(place: &Place) -> Result<(), StoreError> {
    let fault = match fs::metadata(place.path()) {
        Ok(found) if found.is_dir() => "it is a folder; name a file in it",
        Ok(found) if !found.is_file() => "it is no file, so nothing can be kept there; name a file",
        _ => return Ok(()),
    };
    Err(StoreError::Storage(format!("{place}: {fault}")))
}

fn read_only(path: &Path, further: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | further;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Opening reads nothing, so that only a first look shows what cannot be read.
    connection.query_row("PRAGMA schema_version", [], |_| Ok(()))?;
    Ok(connection)
}

/// SQLite writes beside a database in order to read it. Where it cannot, a database whose log is empty is
/// read as a file that no process changes.
fn open_in_unwritable_folder(
    place: &Place,
    error: &rusqlite::Error,
) -> Result<Connection, StoreError> {
    let log = place.beside("-wal");
    if fs::metadata(&log).is_ok_and(|found| found.len() > 0) {
        return Err(StoreError::Storage(format!(
            "{place}: its newest entries are in `{}`, which can be read only in a folder that can be written; \
             copy both files into such a folder, and name the copy",
            log.display()
        )));
    }
    match unchanging(place.path()) {
        Some(address) => read_only(Path::new(&address), OpenFlags::SQLITE_OPEN_URI)
            .map_err(|error| place.explain(&error)),
        None => Err(place.explain(error)),
    }
}

/// The address of a database that no process changes; `None` where paths have another form.
fn unchanging(path: &Path) -> Option<String> {
    if !cfg!(unix) {
        return None;
    }
    let mut address = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"/._-~".contains(byte);
        if is_plain {
            address.push(char::from(*byte));
        } else {
            let _ = write!(address, "%{byte:02X}");
        }
    }
    Some(address + "?immutable=1")
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_read_as_a_file_that_does_not_change_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b#c?d%e=é.db");
        let made = Connection::open(&path).unwrap();
        made.execute_batch("CREATE TABLE one (two); INSERT INTO one VALUES (3);")
            .unwrap();
        drop(made);
        let address = unchanging(&path).unwrap();
        let read = read_only(Path::new(&address), OpenFlags::SQLITE_OPEN_URI).unwrap();
        let found: i64 = read
            .query_row("SELECT two FROM one", [], |row| row.get(0))
            .unwrap();
        assert_eq!(found, 3);
    }
}
