//! What holds of every implementation.

use std::sync::Arc;

use gepa_engine::{RunId, Seq, Store, StoreError};
use gepa_store::{MemoryStore, SqliteStore};
use tempfile::TempDir;

use crate::everything::everything;
use crate::script::{RUN, journal, run_row};

async fn rows_are_those_of_the_reference(store: Arc<dyn Store>) {
    let run: RunId = RUN.parse().unwrap();
    store.create_run(run_row(RUN)).await.unwrap();
    let events = journal();
    // In batches of every size, so that no row depends on where a batch ends.
    let mut after = 0;
    let mut size = 1;
    while after < events.len() {
        let end = (after + size).min(events.len());
        let batch: Arc<[_]> = events[after..end].into();
        store.append(&run, Seq(after as u64), batch).await.unwrap();
        (after, size) = (end, size % 7 + 1);
    }
    let reference = MemoryStore::new();
    reference.create_run(run_row(RUN)).await.unwrap();
    reference
        .append(&run, Seq(0), Arc::clone(&events))
        .await
        .unwrap();
    let stored = everything(&*store, &run).await;
    assert_eq!(stored, everything(&reference, &run).await);
    assert_eq!(stored.events, *events);
}

#[tokio::test]
async fn memory() {
    rows_are_those_of_the_reference(Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn sqlite() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path().join("a.db")).unwrap();
    rows_are_those_of_the_reference(Arc::new(store)).await;
}

#[tokio::test]
async fn unknown() {
    let store = MemoryStore::new();
    let run: RunId = RUN.parse().unwrap();
    assert!(matches!(
        store.run(&run).await,
        Err(StoreError::UnknownRun(_))
    ));
}
