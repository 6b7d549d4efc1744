//! Databases of every earlier format stay readable.

use std::fs;
use std::path::{Path, PathBuf};

use gepa_engine::Store;
use gepa_store::{SqliteStore, rebuild};
use tempfile::TempDir;

use crate::conformance::{reference_of, scripted};
use crate::everything::{Everything, everything};
use crate::growth::{journal_of_format_1, journal_of_whole_rows};
use crate::script::RUN;

fn fixture(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/format-{format}.sqlite"))
}

/// The script is the content of this fixture. Events that are added later belong in another one.
#[tokio::test]
async fn format_1_is_read_in_full() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("runs.db");
    fs::copy(fixture(1), &path).unwrap();
    let run = RUN.parse().unwrap();
    let viewer = SqliteStore::open_existing(&path).unwrap();
    let expected = Everything {
        events: journal_of_format_1().to_vec(),
        ..reference_of(journal_of_whole_rows()).await
    };
    let mut as_stored = expected.clone();
    // Format 1 kept neither how proposals ended, nor the range of scores, nor the times of rest.
    as_stored.run.summary.endings = None;
    as_stored.run.summary.scores = None;
    as_stored.run.summary.rests = None;
    assert_eq!(everything(&viewer, &run).await, as_stored);
    drop(viewer);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(rebuild(&store, &run).await.unwrap(), []);
    store.reproject(&run).await.unwrap();
    assert_eq!(everything(&store, &run).await, expected);
    assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
#[ignore = "writes the fixture of format 1; run it by hand, and never for a released format"]
async fn write_the_fixture() {
    let path = fixture(1);
    assert!(!path.exists(), "a released fixture never changes");
    let store = SqliteStore::open(path).unwrap();
    scripted(&store).await;
}
