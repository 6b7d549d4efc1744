//! Runs moved between stores.

use gepa_engine::{RunId, Seq, Store};
use gepa_postgres::PostgresStore;
use gepa_store::{CopyError, MemoryStore, SqliteStore, copy_run, rebuild};
use tempfile::TempDir;

use crate::conformance::{reference, scripted};
use crate::everything::{append, everything};
use crate::script::{RUN, journal, run_row};

#[tokio::test]
async fn a_run_goes_from_sqlite_to_postgres_and_back_unchanged() {
    for url in crate::postgres::urls() {
        let folder = TempDir::new().unwrap();
        let first = SqliteStore::open(folder.path().join("first.db")).unwrap();
        let run = scripted(&first).await;
        let middle = PostgresStore::open(&url).await.unwrap();
        let copied = copy_run(&first, &middle, &run).await.unwrap();
        let events = journal().len() as u64;
        assert_eq!((copied.events, copied.appended), (events, events));
        assert!(copied.same_rows);
        let last = SqliteStore::open(folder.path().join("last.db")).unwrap();
        assert!(copy_run(&middle, &last, &run).await.unwrap().same_rows);
        assert_eq!(everything(&last, &run).await, reference().await);
        assert_eq!(rebuild(&middle, &run).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_copy_that_was_interrupted_goes_on_where_it_stood() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let run = scripted(&from).await;
    to.create_run(run_row(RUN)).await.unwrap();
    append(&to, &run, Seq(0), journal()[..7].into())
        .await
        .unwrap();
    let events = journal().len() as u64;
    let copied = copy_run(&from, &to, &run).await.unwrap();
    assert_eq!((copied.events, copied.appended), (events, events - 7));
    assert_eq!(everything(&to, &run).await, reference().await);
    assert_eq!(copy_run(&from, &to, &run).await.unwrap().appended, 0);
}

#[tokio::test]
async fn another_run_of_that_id_and_a_run_in_use_are_refused() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let run: RunId = scripted(&from).await;
    let mut other = run_row(RUN);
    other.policy_model = "another".to_owned();
    to.create_run(other).await.unwrap();
    let refused = copy_run(&from, &to, &run).await;
    assert!(matches!(refused, Err(CopyError::Another(of)) if of == run));
    let _claim = from.claim(&run).await.unwrap();
    let refused = copy_run(&from, &MemoryStore::new(), &run).await;
    assert!(matches!(refused, Err(CopyError::InUse(of)) if of == run));
}
