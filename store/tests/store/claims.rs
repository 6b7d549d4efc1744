//! Tests of claims: an old claim cannot write, and its holder is notified.

use std::future::Future;
use std::sync::Arc;

use gepa_engine::{Claim, RunId, Seq, Store, StoreError};
use gepa_store::{MemoryStore, SqliteStore};
use tempfile::TempDir;

use crate::everything::everything;
use crate::script::{RUN, journal, run_row};

/// Checks that the holder of `old` has lost the run and that `new` has it.
async fn check_change_of_owner(store: &dyn Store, run: &RunId, old: &Claim, new: &Claim) {
    assert!(old.token().number < new.token().number);
    let events = journal();
    let before = everything(store, run).await;
    let end = before.run.summary.seq;
    let rest: Arc<_> = events[end.0 as usize..].into();
    let refused = store.append(old.token(), end, Arc::clone(&rest)).await;
    let lost =
        |error: &StoreError| matches!(error, StoreError::ClaimLost { run: of, .. } if of == run);
    assert!(refused.as_ref().is_err_and(lost), "{refused:?}");
    assert_eq!(everything(store, run).await, before);
    assert!(lost(&old.lost().await));
    assert!(is_pending(new.lost()).await);

    store.append(new.token(), end, rest).await.unwrap();
    let refused = store.append(old.token(), Seq(events.len() as u64), Arc::new([]));
    assert!(refused.await.as_ref().is_err_and(lost));
}

async fn is_pending(future: impl Future) -> bool {
    tokio::select! {
        biased;
        _ = future => false,
        () = tokio::task::yield_now() => true,
    }
}

/// A run whose first events were written under the claim.
async fn begun(store: &dyn Store) -> (RunId, Claim) {
    let run: RunId = RUN.parse().unwrap();
    store.create_run(run_row(RUN)).await.unwrap();
    let claim = store.claim(&run).await.unwrap();
    let first: Arc<_> = journal()[..5].into();
    store.append(claim.token(), Seq(0), first).await.unwrap();
    (run, claim)
}

#[tokio::test]
async fn a_revoked_claim_in_memory_writes_no_more_and_its_holder_is_told() {
    let store = MemoryStore::new();
    let (run, old) = begun(&store).await;
    store.revoke(&run).unwrap();
    let new = store.claim(&run).await.unwrap();
    check_change_of_owner(&store, &run, &old, &new).await;
    drop(old);
    assert!(store.is_claimed(&run).await.unwrap());
}

#[tokio::test]
async fn a_claim_whose_lock_file_was_deleted_writes_no_more_and_its_holder_is_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("runs.db");
    let stores = [(); 2].map(|()| SqliteStore::open(&path).unwrap());
    // The new owner is first the same process, then another one.
    for other in [0, 1] {
        let (mine, theirs) = (&stores[0], &stores[other]);
        let id = format!("pl_{other:016x}");
        let run: RunId = id.parse().unwrap();
        mine.create_run(run_row(&id)).await.unwrap();
        let old = mine.claim(&run).await.unwrap();
        let first: Arc<_> = journal()[..5].into();
        mine.append(old.token(), Seq(0), first).await.unwrap();
        let lock = path.with_extension("db.locks").join(format!("{run}.lock"));
        std::fs::remove_file(&lock).unwrap();
        let new = theirs.claim(&run).await.unwrap();
        check_change_of_owner_between(mine, theirs, &run, &old, &new).await;
        drop(old);
        assert!(theirs.is_claimed(&run).await.unwrap());
        drop(new);
        assert!(!lock.exists());
    }
}

async fn check_change_of_owner_between(
    mine: &SqliteStore,
    theirs: &SqliteStore,
    run: &RunId,
    old: &Claim,
    new: &Claim,
) {
    let end = mine.run(run).await.unwrap().summary.seq;
    let rest: Arc<_> = journal()[end.0 as usize..].into();
    let refused = mine.append(old.token(), end, Arc::clone(&rest)).await;
    let owner = format!("process {}, since ", std::process::id());
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains(&owner) && message.contains("lost its claim"),
        "{message}"
    );
    assert!(matches!(old.lost().await, StoreError::ClaimLost { .. }));
    assert!(is_pending(new.lost()).await);
    theirs.append(new.token(), end, rest).await.unwrap();
}

#[tokio::test]
async fn a_token_is_worth_nothing_once_the_run_was_claimed_again() {
    let folder = TempDir::new().unwrap();
    let sqlite = SqliteStore::open(folder.path().join("runs.db")).unwrap();
    for store in [&sqlite as &dyn Store, &MemoryStore::new()] {
        let (run, claim) = begun(store).await;
        let stale = claim.token().clone();
        drop(claim);
        let new = store.claim(&run).await.unwrap();
        let refused = store.append(&stale, Seq(5), Arc::new([])).await;
        assert!(
            matches!(refused, Err(StoreError::ClaimLost { .. })),
            "{refused:?}"
        );
        store
            .append(new.token(), Seq(5), Arc::new([]))
            .await
            .unwrap();
    }
}
