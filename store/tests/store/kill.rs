//! A writer that is killed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use gepa_engine::{RunId, Seq, Store, TrialKey};
use gepa_evaluation::Stage;
use gepa_store::{SqliteStore, rebuild};
use tempfile::TempDir;

use crate::script::{RUN, number, run_row, text, trial};

/// The environment variable with the folder of the writer below. Without it the writer does
/// nothing.
const FOLDER: &str = "GEPA_STORE_TEST_FOLDER";

/// The number of events in a batch of the writer.
const BATCH: u64 = 5;

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = TempDir::new().unwrap();
    let run: RunId = RUN.parse().unwrap();
    let mut acknowledged = 0;
    for round in 1..=4 {
        let mut writer = begin_writer(folder.path());
        acknowledged = wait_beyond(folder.path(), acknowledged + 10 * BATCH);
        {
            let viewer = SqliteStore::open_existing(folder.path().join("runs.db")).unwrap();
            assert!(viewer.is_claimed(&run).await.unwrap());
        }
        writer.kill();

        let store = SqliteStore::open(folder.path().join("runs.db")).unwrap();
        acknowledged = acknowledged.max(last_acknowledged(folder.path()));
        let stored = store.run(&run).await.unwrap().summary.seq.0;
        assert!(
            stored >= acknowledged,
            "round {round}: {stored} < {acknowledged}"
        );
        assert_eq!(stored % BATCH, 0);
        assert!(!store.is_claimed(&run).await.unwrap());
        assert_eq!(store.integrity().await.unwrap(), Vec::<String>::new());
        assert_eq!(rebuild(&store, &run).await.unwrap(), []);
    }
}

#[tokio::test]
#[ignore = "the writer that the test above begins and kills"]
async fn write_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let store = SqliteStore::open(folder.join("runs.db")).unwrap();
    let run: RunId = RUN.parse().unwrap();
    if store.runs().await.unwrap().is_empty() {
        store.create_run(run_row(RUN)).await.unwrap();
    }
    let claim = store.claim(&run).await.unwrap();
    let mut notes = File::options()
        .append(true)
        .create(true)
        .open(folder.join("acknowledged"))
        .unwrap();
    let mut last = store.run(&run).await.unwrap().summary.seq.0;
    while last < 1_000_000 {
        let key = TrialKey {
            iteration: last,
            index: 0,
        };
        let bodies = trial(key, Stage::Pareto, &text("a"), &[1.0, 0.5, 0.0]);
        store
            .append(claim.token(), Seq(last), number(last + 1, bodies))
            .await
            .unwrap();
        last += BATCH;
        notes.write_all(format!("{last}\n").as_bytes()).unwrap();
    }
}

/// Kills the writer at the latest when the test ends.
struct Writer(Child);

impl Writer {
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn begin_writer(folder: &Path) -> Writer {
    let writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::write_until_killed", "--ignored"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Writer(writer.unwrap())
}

fn wait_beyond(folder: &Path, wanted: u64) -> u64 {
    for _ in 0..3_000 {
        let found = last_acknowledged(folder);
        if found > wanted {
            return found;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("the writer acknowledged nothing beyond event {wanted}");
}

/// The last complete line of the writer's notes.
fn last_acknowledged(folder: &Path) -> u64 {
    let notes = fs::read_to_string(folder.join("acknowledged")).unwrap_or_default();
    let complete = notes.rsplit_once('\n').map_or("", |(lines, _)| lines);
    complete
        .rsplit('\n')
        .next()
        .and_then(|line| line.parse().ok())
        .unwrap_or(0)
}
