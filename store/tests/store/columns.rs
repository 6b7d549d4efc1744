//! Columns that a row type has gained: stores of older programs lack them, and stores of newer programs
//! have more.

use std::path::Path;

use gepa_engine::record::{ColumnKind, StoredColumn, stored_columns};
use gepa_engine::{RunId, Seq, Store};
use gepa_postgres::PostgresStore;
use gepa_store::SqliteStore;
use rusqlite::Connection;

use crate::conformance::{reference, scripted};
use crate::everything::{Everything, append, everything};
use crate::postgres::urls;
use crate::postgres_faults::execute;
use crate::script::{journal, run_row};
use crate::sqlite::closed_database;

const OTHER: &str = "pl_00000000000000b2";

/// What a store without the columns that [`drop_columns`] takes out says of the script.
async fn without_columns() -> Everything {
    let mut expected = reference().await;
    assert!(expected.rollouts.iter().any(|row| row.score.is_some()));
    for row in &mut expected.rollouts {
        row.score = None;
    }
    for row in &mut expected.candidates {
        row.close_reason = None;
    }
    expected
}

/// Makes the store of an older program: the newer program knows two columns more.
fn drop_columns(of_table: impl Fn(&str) -> String) -> String {
    let (rollouts, candidates) = (of_table("rollouts"), of_table("candidates"));
    format!(
        "ALTER TABLE {rollouts} DROP COLUMN score; ALTER TABLE {candidates} DROP COLUMN close_reason"
    )
}

fn execute_in(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// Writes the script as another run, and expects what a new store says of it.
async fn assert_takes_another_run(store: &dyn Store) {
    let run: RunId = OTHER.parse().unwrap();
    store.create_run(run_row(OTHER)).await.unwrap();
    append(store, &run, Seq(0), journal()).await.unwrap();
    let (stored, expected) = (everything(store, &run).await, reference().await);
    let scores = |all: &Everything| -> Vec<Option<f64>> {
        all.rollouts.iter().map(|row| row.score).collect()
    };
    assert_eq!(scores(&stored), scores(&expected));
    assert_eq!(stored.candidates.len(), expected.candidates.len());
}

#[tokio::test]
async fn columns_that_a_database_lacks_are_null_to_a_reader_and_added_by_a_writer() {
    let (_folder, path, run) = closed_database().await;
    execute_in(&path, "DROP VIEW exported_rollouts");
    execute_in(&path, &drop_columns(str::to_owned));
    let viewer = SqliteStore::open_existing(&path).unwrap();
    assert_eq!(everything(&viewer, &run).await, without_columns().await);

    let store = SqliteStore::open(&path).unwrap();
    for reader in [&viewer, &store] {
        assert_eq!(everything(reader, &run).await, without_columns().await);
    }
    assert_takes_another_run(&store).await;
    store.reproject(&run).await.unwrap();
    for reader in [&viewer, &store] {
        assert_eq!(everything(reader, &run).await, reference().await);
    }
}

#[tokio::test]
async fn columns_that_a_schema_lacks_are_null_to_a_reader_and_added_by_a_writer() {
    for url in urls() {
        let run = scripted(&PostgresStore::open(&url).await.unwrap()).await;
        execute(&url, &drop_columns(|table| format!("{{s}}.{table}"))).await;
        let viewer = PostgresStore::open_existing(&url).await.unwrap();
        assert_eq!(everything(&viewer, &run).await, without_columns().await);

        let store = PostgresStore::open(&url).await.unwrap();
        assert_eq!(everything(&store, &run).await, without_columns().await);
        assert_takes_another_run(&store).await;
        store.reproject(&run).await.unwrap();
        assert_eq!(everything(&store, &run).await, reference().await);
    }
}

#[tokio::test]
async fn a_column_of_a_newer_program_stays_null() {
    let (_folder, path, run) = closed_database().await;
    execute_in(&path, "ALTER TABLE rollouts ADD COLUMN colour TEXT");
    let store = SqliteStore::open(&path).unwrap();
    assert_takes_another_run(&store).await;
    assert_eq!(everything(&store, &run).await, reference().await);
    for url in urls() {
        let run = scripted(&PostgresStore::open(&url).await.unwrap()).await;
        execute(&url, "ALTER TABLE {s}.rollouts ADD COLUMN colour text").await;
        let store = PostgresStore::open(&url).await.unwrap();
        assert_takes_another_run(&store).await;
        assert_eq!(everything(&store, &run).await, reference().await);
    }
}

#[tokio::test]
async fn many_that_open_a_database_without_a_column_at_once_all_succeed() {
    let (_folder, path, run) = closed_database().await;
    execute_in(&path, "ALTER TABLE candidates DROP COLUMN close_reason");
    std::thread::scope(|scope| {
        let openings: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| SqliteStore::open(&path).map(drop)))
            .collect();
        for opening in openings {
            opening.join().unwrap().unwrap();
        }
    });
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(
        everything(&store, &run).await.rollouts,
        reference().await.rollouts
    );
}

#[tokio::test]
async fn many_that_open_a_schema_without_a_column_at_once_all_succeed() {
    for url in urls() {
        let run = scripted(&PostgresStore::open(&url).await.unwrap()).await;
        execute(&url, "ALTER TABLE {s}.rollouts DROP COLUMN score").await;
        let mut openings = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let url = url.clone();
            openings.spawn(async move { PostgresStore::open(&url).await });
        }
        for opening in openings.join_all().await {
            let store = opening.unwrap();
            assert_eq!(
                everything(&store, &run).await.rollouts,
                without_columns().await.rollouts
            );
        }
    }
}

/// The types of the migrations are those of the rows.
#[tokio::test]
async fn columns_have_the_types_of_their_rows_in_every_database() {
    let (_folder, path, _) = closed_database().await;
    let connection = Connection::open(&path).unwrap();
    for StoredColumn { table, name, kind } in stored_columns() {
        let declared: String = connection
            .query_row(
                "SELECT type FROM pragma_table_info(?1) WHERE name = ?2",
                [table, name],
                |row| row.get(0),
            )
            .unwrap();
        let expected = match kind {
            ColumnKind::Integer => "INTEGER",
            ColumnKind::Real => "REAL",
            ColumnKind::Text => "TEXT",
            ColumnKind::IntegerOrText => "ANY",
        };
        assert_eq!(declared, expected, "{table}.{name}");
    }
    for url in urls() {
        PostgresStore::open(&url).await.unwrap();
        for StoredColumn { table, name, kind } in stored_columns() {
            let expected = match kind {
                ColumnKind::Integer => "int8",
                ColumnKind::Real => "float8",
                ColumnKind::Text => "text",
                ColumnKind::IntegerOrText => "integer_or_name",
            };
            // The division fails unless there is such a column.
            let sql = format!(
                "SELECT 1 / count(*) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
                 WHERE a.attrelid = '{{s}}.{table}'::regclass AND a.attname = '{name}' \
                 AND t.typname = '{expected}'"
            );
            execute(&url, &sql).await;
        }
    }
}
