//! Tests of damaged and foreign files.

use std::fs;
use std::path::Path;

use gepa_engine::{Event, RunId, Seq, Store, StoreError, Timestamp};
use gepa_store::{SqliteStore, rebuild};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::everything::{append, everything};
use crate::script::{RUN, journal, run_row};
use crate::sqlite::closed_database;

/// Opening must fail in both modes, say what the user can do, and change nothing.
fn check_refused(path: &Path, expected: &str) {
    let before = fs::read(path).ok();
    for opened in [SqliteStore::open(path), SqliteStore::open_existing(path)] {
        let error = opened.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(fs::read(path).ok(), before);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "dear diary, ".repeat(100)).unwrap();
    check_refused(&path, "not a database; name another store");
}

#[test]
fn a_folder_is_refused() {
    let folder = TempDir::new().unwrap();
    check_refused(folder.path(), "it is a folder; name a file");
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("other.db");
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE songs (title TEXT)")
        .unwrap();
    drop(other);
    check_refused(&path, "database of another program; name another store");
}

#[tokio::test]
async fn a_database_of_a_newer_format_is_refused() {
    let (_folder, path, _) = closed_database().await;
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    check_refused(&path, "format 99, this program reads up to");
}

#[tokio::test]
async fn a_run_of_a_newer_format_is_refused() {
    let (_folder, path, run) = closed_database().await;
    let connection = Connection::open(&path).unwrap();
    connection
        .execute("UPDATE runs SET format = 99", [])
        .unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let answers = [
        store.run(&run).await.err(),
        store.runs().await.err(),
        store.events(&run, Seq(0), 1).await.err(),
        append(&store, &run, Seq(0), journal()).await.err(),
    ];
    for answer in answers {
        let is_newer = matches!(answer, Some(StoreError::NewerFormat { found: 99, .. }));
        assert!(is_newer, "{answer:?}");
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_named() {
    let (_folder, path, run) = closed_database().await;
    let connection = Connection::open(&path).unwrap();
    connection
        .execute(
            "UPDATE events SET body = '{\"kind\":\"party\"}' WHERE seq = 7",
            [],
        )
        .unwrap();
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.events(&run, Seq(0), 6).await.unwrap().len(), 6);
    let error = store.events(&run, Seq(0), 7).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("event 7"), "{error}");
}

/// Every overwritten page leads to an answer or an error, never to a panic. The file opens or is
/// refused.
#[tokio::test]
async fn a_database_with_overwritten_pages_gives_errors_and_no_panics() {
    let (_folder, path, run) = closed_database().await;
    let whole = fs::read(&path).unwrap();
    let mut refusals = 0;
    for page in 0..whole.len() / 4_096 {
        let mut torn = whole.clone();
        torn[page * 4_096..][..4_096].fill(0xA5);
        fs::write(&path, torn).unwrap();
        let Ok(store) = SqliteStore::open_existing(&path) else {
            refusals += 1;
            continue;
        };
        let findings = store.integrity().await;
        let rebuilt = rebuild(&store, &run).await;
        let sound = findings.is_ok_and(|lines| lines.is_empty());
        assert!(
            !sound || rebuilt.is_ok_and(|found| found.is_empty()),
            "page {page}"
        );
        refusals += u32::from(!sound);
    }
    assert!(refusals > 0);
}

/// A copy of database and log, with the log cut at any byte, holds the journal up to some append.
#[tokio::test]
async fn a_torn_log_leaves_a_prefix_of_the_journal() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("runs.db");
    let store = SqliteStore::open(&path).unwrap();
    let run: RunId = RUN.parse().unwrap();
    store.create_run(run_row(RUN)).await.unwrap();
    for (after, event) in (0..).zip(journal().iter()) {
        let batch = std::sync::Arc::new([event.clone()]);
        append(&store, &run, Seq(after), batch).await.unwrap();
    }
    let (database, log) = (
        fs::read(&path).unwrap(),
        fs::read(folder.path().join("runs.db-wal")).unwrap(),
    );
    let mut lengths = std::collections::BTreeSet::new();
    for cut in (0..=24).map(|part| log.len() * part / 24) {
        let copy = TempDir::new().unwrap();
        let copied = copy.path().join("runs.db");
        fs::write(&copied, &database).unwrap();
        fs::write(copy.path().join("runs.db-wal"), &log[..cut]).unwrap();
        let reopened = SqliteStore::open(&copied).unwrap();
        assert_eq!(reopened.integrity().await.unwrap(), Vec::<String>::new());
        if reopened.runs().await.unwrap().is_empty() {
            lengths.insert(0);
            continue;
        }
        let stored = everything(&reopened, &run).await;
        assert_eq!(stored.events, journal()[..stored.events.len()]);
        assert_eq!(rebuild(&reopened, &run).await.unwrap(), []);
        lengths.insert(stored.events.len());
    }
    assert!(lengths.len() > 10, "{lengths:?}");
    assert!(lengths.contains(&journal().len()));
}

/// The numbers define the order, never the clock. A clock that is set back changes only times.
#[tokio::test]
async fn a_clock_that_jumps_backwards_costs_no_event() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path().join("runs.db")).unwrap();
    let run: RunId = RUN.parse().unwrap();
    store.create_run(run_row(RUN)).await.unwrap();
    let day = 86_400_000_000;
    let jumping: Vec<Event> = journal()
        .iter()
        .map(|event| Event {
            at: Timestamp(event.at.0 - i64::from(event.seq.0 % 7 == 0) * day),
            ..event.clone()
        })
        .collect();
    let mut last = Seq(0);
    for batch in jumping.chunks(4) {
        append(&store, &run, last, batch.into()).await.unwrap();
        last = batch[batch.len() - 1].seq;
    }
    let stored = everything(&store, &run).await;
    assert_eq!(stored.events, jumping);
    assert!(stored.run.summary.active_seconds >= 0.0);
    assert_eq!(rebuild(&store, &run).await.unwrap(), []);
}
