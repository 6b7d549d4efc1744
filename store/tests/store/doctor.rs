//! Tests of the doctor against tables that were changed by hand.

use gepa_engine::{Seq, Store};
use gepa_store::{SqliteStore, open_existing, rebuild, repair};
use rusqlite::Connection;

use crate::conformance::reference;
use crate::everything::everything;
use crate::sqlite::closed_database;

/// Changes a database. The doctor must find `table` and `column` wrong and nothing else, and the
/// repair must undo the change.
async fn check(sql: &str, table: &str, column: &str) {
    let (_folder, path, run) = closed_database().await;
    let url = format!("sqlite://{}", path.display());
    let connection = Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "foreign_keys", false)
        .unwrap();
    connection.execute_batch(sql).unwrap();

    let store = open_existing(&url).unwrap();
    let found = rebuild(&*store, &run).await.unwrap();
    let places: Vec<_> = found
        .iter()
        .map(|difference| (difference.table, difference.column.as_str()))
        .collect();
    assert_eq!(places, [(table, column)], "{sql}: {found:?}");
    assert!(found[0].to_string().contains(column), "{}", found[0]);

    assert_eq!(repair(&url, &run).await.unwrap(), found, "{sql}");
    assert_eq!(rebuild(&*store, &run).await.unwrap(), [], "{sql}");
    assert_eq!(everything(&*store, &run).await, reference().await, "{sql}");
}

#[tokio::test]
async fn a_changed_column_is_found_and_repaired() {
    check(
        "UPDATE runs SET summary = json_set(summary, '$.front_size', 9)",
        "runs",
        "summary",
    )
    .await;
    let candidate = |set| format!("UPDATE candidates SET {set} WHERE iteration = 1");
    check(&candidate("mean_score = 0.99"), "candidates", "mean_score").await;
    check(&candidate("parents = '[]'"), "candidates", "parents").await;
    check(
        "UPDATE trials SET executed = executed + 1 WHERE id = 2",
        "trials",
        "executed",
    )
    .await;
    check(
        "UPDATE rollouts SET score = 0.99 WHERE seq = 3",
        "rollouts",
        "score",
    )
    .await;
    check(
        "UPDATE rollouts SET seed = 7 WHERE seq = 5",
        "rollouts",
        "example",
    )
    .await;
    check(
        "UPDATE reflections SET prompt_tokens = 1 WHERE iteration = 2",
        "reflections",
        "usage",
    )
    .await;
    check(
        "UPDATE snapshots SET best = 1 WHERE ordinal = 3",
        "snapshots",
        "best",
    )
    .await;
}

#[tokio::test]
async fn a_missing_row_and_one_too_many_are_found_and_repaired() {
    check("DELETE FROM rollouts WHERE seq = 4", "rollouts", "").await;
    check(
        "DELETE FROM candidates WHERE iteration = 3",
        "candidates",
        "",
    )
    .await;
    check("DELETE FROM snapshots WHERE ordinal = 4", "snapshots", "").await;
}

#[tokio::test]
async fn a_table_that_cannot_be_read_is_found_and_repaired() {
    check("UPDATE trials SET seeds = '[1,' WHERE id = 1", "trials", "").await;
    check(
        "UPDATE rollouts SET stage = 'lunch' WHERE seq = 3",
        "rollouts",
        "",
    )
    .await;
    check("UPDATE trials SET reused = -1 WHERE id = 1", "trials", "").await;
    check(
        "DELETE FROM texts WHERE components LIKE '%child%'",
        "candidates",
        "",
    )
    .await;
    check(
        "UPDATE candidates SET parents = 'null' WHERE id = 1",
        "candidates",
        "",
    )
    .await;
    check(
        "UPDATE texts SET components = replace(components, 'child', 'kid')",
        "candidates",
        "components",
    )
    .await;
}

#[tokio::test]
async fn rows_in_another_order_are_found_and_repaired() {
    check("UPDATE trials SET id = 99 WHERE id = 1", "trials", "order").await;
}

#[tokio::test]
async fn a_journal_with_a_hole_cannot_be_rebuilt() {
    let (_folder, path, run) = closed_database().await;
    let connection = Connection::open(&path).unwrap();
    connection
        .execute("DELETE FROM events WHERE seq = 7", [])
        .unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let error = rebuild(&store, &run).await.unwrap_err().to_string();
    assert!(error.contains("event 8"), "{error}");
    let refused = store.reproject(&run).await.unwrap_err().to_string();
    assert!(refused.contains("event 8"), "{refused}");
    assert_eq!(
        store.rollouts(&run, Seq(0), 99).await.unwrap(),
        reference().await.rollouts
    );
}

#[tokio::test]
async fn a_row_that_refers_to_nothing_is_an_integrity_finding() {
    let (_folder, path, _) = closed_database().await;
    let connection = Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "foreign_keys", false)
        .unwrap();
    connection
        .execute("DELETE FROM texts WHERE components LIKE '%child%'", [])
        .unwrap();
    let viewer = SqliteStore::open_existing(&path).unwrap();
    let findings = viewer.integrity().await.unwrap();
    assert_eq!(findings.len(), 1);
    assert!(findings[0].contains("`texts`"), "{findings:?}");
}
