//! Tests of the database store only.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gepa_engine::{RunId, Seq, Store, StoreError};
use gepa_evaluation::{Phase, Purpose};
use gepa_store::{SqliteStore, open, open_existing};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::conformance::{reference, scripted};
use crate::everything::{append, everything};
use crate::script::{RUN, journal, run_row};

fn place() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("runs.db");
    (folder, path)
}

/// A closed database that holds the script.
pub(crate) async fn closed_database() -> (TempDir, PathBuf, RunId) {
    let (folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    let run = scripted(&store).await;
    (folder, path, run)
}

fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

#[tokio::test]
async fn a_store_opened_again_holds_the_same() {
    let (_folder, path, run) = closed_database().await;
    assert!(!path.with_extension("db-wal").exists());
    for store in [
        open(&url(&path)).unwrap(),
        open_existing(&url(&path)).unwrap(),
    ] {
        assert_eq!(everything(&*store, &run).await, reference().await);
    }
}

#[tokio::test]
async fn a_viewer_sees_what_is_written_while_it_looks() {
    let (_folder, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    let viewer = SqliteStore::open_existing(&path).unwrap();
    assert_eq!(viewer.runs().await.unwrap(), []);
    let run = scripted(&store).await;
    assert_eq!(everything(&viewer, &run).await, reference().await);
}

#[tokio::test]
async fn a_store_opened_for_reading_writes_nothing() {
    let (_folder, path, run) = closed_database().await;
    let viewer = SqliteStore::open_existing(&path).unwrap();
    let end = Seq(journal().len() as u64);
    let answers = [
        viewer.create_run(run_row("pl_00000000000000b2")).await,
        append(&viewer, &run, end, Arc::new([])).await,
        viewer.claim(&run).await.map(drop),
        viewer.reproject(&run).await,
    ];
    for answer in answers {
        let message = answer.unwrap_err().to_string();
        assert!(message.contains("reading only"), "{message}");
    }
    assert!(!viewer.is_claimed(&run).await.unwrap());
}

#[test]
fn looking_at_a_store_that_does_not_exist_makes_none() {
    let (folder, path) = place();
    let error = open_existing(&url(&path)).err().unwrap().to_string();
    assert!(error.contains("there is none; begin a run"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn sql_answers_what_a_run_cost() {
    let (_folder, path, run) = closed_database().await;
    let connection = Connection::open(&path).unwrap();
    let counters = reference().await.run.summary.counters;
    let tokens: u64 = connection
        .query_row("SELECT SUM(prompt_tokens) FROM rollouts", [], |row| {
            row.get::<_, i64>(0).map(|sum| sum as u64)
        })
        .unwrap();
    assert_eq!(tokens, counters.rollouts_prompt_tokens);
    let (all, cost): (i64, f64) = connection
        .query_row(
            "SELECT SUM(tokens), SUM(cost_usd) FROM exported_rollouts WHERE run_id = ?1",
            [run.as_str()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    let reflected: i64 = connection
        .query_row("SELECT SUM(cost_micro_usd) FROM reflections", [], |row| {
            row.get(0)
        })
        .unwrap();
    let mutation_tokens = counters.mutation_prompt_tokens
        + counters.mutation_completion_tokens
        + counters.mutation_unknown_tokens;
    assert_eq!(all as u64, counters.total_tokens - mutation_tokens);
    assert!((cost + reflected as f64 / 1e6 - counters.total_cost_usd()).abs() < 1e-9);
    for share in &counters.usage {
        let (calls, cost): (i64, i64) = connection
            .query_row(
                "SELECT calls, cost_micro_usd FROM usage \
                 WHERE run_id = ?1 AND phase = ?2 AND purpose = ?3",
                [run.as_str(), share.phase.as_str(), share.purpose.as_str()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert_eq!(calls as u64, share.usage.calls);
        assert_eq!(cost as u64, share.usage.cost.0);
    }
    let known = |phase, purpose| {
        let mut shares = counters.usage.iter();
        shares.any(|share| (share.phase, share.purpose) == (phase, purpose))
    };
    assert!(known(Phase::Validation, Purpose::Judge));
}

#[tokio::test]
async fn a_text_is_stored_once_whichever_runs_tried_it() {
    let (_folder, path, _) = closed_database().await;
    let store = SqliteStore::open(&path).unwrap();
    let other = "pl_00000000000000b2";
    store.create_run(run_row(other)).await.unwrap();
    let run: RunId = other.parse().unwrap();
    append(&store, &run, Seq(0), journal()).await.unwrap();
    let connection = Connection::open(&path).unwrap();
    let count = |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(count("SELECT COUNT(*) FROM candidates"), 8);
    assert_eq!(count("SELECT COUNT(*) FROM texts"), 4);
}

#[tokio::test]
async fn a_claim_holds_across_openings_and_leaves_nothing_behind() {
    let (_folder, path, run) = closed_database().await;
    let (mine, theirs) = (
        SqliteStore::open(&path).unwrap(),
        SqliteStore::open(&path).unwrap(),
    );
    let claim = mine.claim(&run).await.unwrap();
    assert!(theirs.is_claimed(&run).await.unwrap());
    let refused = theirs.claim(&run).await.unwrap_err().to_string();
    let holder = format!("process {}, since ", std::process::id());
    assert!(refused.contains(&holder), "{refused}");
    let lock = path.with_extension("db.locks").join(format!("{run}.lock"));
    assert!(lock.exists());
    drop(claim);
    assert!(!lock.exists());
    theirs.claim(&run).await.unwrap();
}

#[test]
fn many_that_open_a_new_store_at_once_all_succeed() {
    let (_folder, path) = place();
    std::thread::scope(|scope| {
        let openings: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| SqliteStore::open(&path).map(drop)))
            .collect();
        for opening in openings {
            opening.join().unwrap().unwrap();
        }
    });
}

#[tokio::test]
async fn two_processes_that_write_in_turn_see_each_others_events() {
    let (_folder, path) = place();
    let stores = [
        SqliteStore::open(&path).unwrap(),
        SqliteStore::open(&path).unwrap(),
    ];
    let run: RunId = RUN.parse().unwrap();
    stores[0].create_run(run_row(RUN)).await.unwrap();
    for (after, event) in journal().iter().enumerate() {
        let batch = Arc::new([event.clone()]);
        let (writer, late) = (&stores[after % 2], &stores[(after + 1) % 2]);
        append(writer, &run, Seq(after as u64), batch.clone())
            .await
            .unwrap();
        let refused = append(late, &run, Seq(after as u64), batch).await;
        assert!(
            matches!(refused, Err(StoreError::Conflict { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(everything(&stores[0], &run).await, reference().await);
}
