//! Runs found by parts of their ids, and newest first, in every store.

use std::sync::Arc;

use gepa_engine::{RunId, Store};

use crate::conformance::on_every_store;
use crate::script::run_row;

on_every_store!(
    runs_are_found_by_the_beginning_or_the_end_of_their_ids,
    runs_are_paged_from_the_newest,
);

const IDS: [&str; 5] = [
    "pl_0190aaaaaaaaaaaa",
    "pl_0190aaaabbbbbbbb",
    "pl_0191cccccccccccc",
    "pl_aaaa00000000dddd",
    "pl_ffff0000000000190",
];

async fn filled(store: &dyn Store) {
    // In another order than that of the ids.
    for id in [IDS[2], IDS[0], IDS[4], IDS[1], IDS[3]] {
        store.create_run(run_row(id)).await.unwrap();
    }
}

async fn runs_are_found_by_the_beginning_or_the_end_of_their_ids(store: Arc<dyn Store>) {
    filled(&*store).await;
    for (text, expected) in [
        ("pl_0190", &IDS[..2]),
        ("0190", &IDS[..2]),
        ("pl_019", &IDS[..3]),
        ("0190aaaab", &IDS[1..2]),
        (IDS[3], &IDS[3..4]),
        // One begins with it, and the ends of others do not matter.
        ("aaaa", &IDS[3..4]),
        ("dddd", &IDS[3..4]),
        ("000190", &IDS[4..]),
        ("pl_", &IDS[..]),
        ("", &IDS[..]),
        ("0192", &[]),
        ("%", &[]),
        ("pl_019_", &[]),
        ("0190AAAA", &[]),
        ("\\", &[]),
        ("\0", &[]),
        ("'; --", &[]),
        ("\u{10ffff}", &[]),
    ] {
        let found = store.run_ids(text, 100).await.unwrap();
        let found: Vec<&str> = found.iter().map(RunId::as_str).collect();
        assert_eq!(found, expected, "{text:?}");
    }
    assert_eq!(store.run_ids("pl_", 2).await.unwrap().len(), 2);
    assert_eq!(store.run_ids("000190", 0).await.unwrap().len(), 0);
}

async fn runs_are_paged_from_the_newest(store: Arc<dyn Store>) {
    assert!(store.runs_before(None, 3).await.unwrap().is_empty());
    filled(&*store).await;
    let mut all = store.runs().await.unwrap();
    all.reverse();
    for size in 1..7 {
        let mut found = Vec::new();
        loop {
            let before = found
                .last()
                .map(|run: &gepa_engine::record::RunRow| &run.run_id);
            let page = store.runs_before(before, size).await.unwrap();
            assert!(page.len() <= size);
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        assert_eq!(found, all, "pages of {size}");
    }
    let unknown = "pl_0123456789abcdef".parse().unwrap();
    assert!(
        store
            .runs_before(Some(&unknown), 9)
            .await
            .unwrap()
            .is_empty()
    );
}
