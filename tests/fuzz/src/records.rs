//! Fuzzes journals and databases, as a damaged disk may return them.

use std::sync::{Arc, OnceLock};

use gepa_engine::record::{RunRow, RunSummary};
use gepa_jobs::views::snapshots;
use gepa_engine::{Event, RunId, Seq, Store, Timestamp};
use gepa_evaluation::{ExampleId, PromptTemplate};
use gepa_store::{MemoryStore, SqliteStore, rebuild};
use tokio::runtime::{Builder, Runtime};

const RUN: &str = "pl_00000000000000a1";

/// The data are JSON lines, each an event's body. Readable events are numbered, appended and read
/// back.
pub(crate) fn journal(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let bodies = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let events: Vec<Event> = (1..)
        .zip(bodies)
        .map(|(seq, body)| Event {
            seq: Seq(seq),
            at: Timestamp(1_700_000_000_000_000 + seq as i64),
            body,
        })
        .collect();
    if events.is_empty() {
        return;
    }
    runtime().block_on(async {
        let store = MemoryStore::new();
        let run = run_row();
        let id = run.run_id.clone();
        store.create_run(run).await.expect("a fresh store");
        // An event that does not fit the events before it is refused alone.
        let claim = store.claim(&id).await.expect("the run has no other writer");
        let mut last = Seq(0);
        for event in events {
            let event = Event {
                seq: Seq(last.0 + 1),
                ..event
            };
            let appended = store.append(claim.token(), last, Arc::new([event])).await;
            if appended.is_ok() {
                last = Seq(last.0 + 1);
            }
        }
        read_all(&store, &id).await;
    });
}

/// The data are the bytes of a database file.
pub(crate) fn database(data: &[u8]) {
    static FILE: OnceLock<std::path::PathBuf> = OnceLock::new();
    let file = FILE.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("gepa-fuzz-db-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the database");
        folder.join("runs.db")
    });
    for suffix in ["-wal", "-shm"] {
        let mut beside = file.as_os_str().to_owned();
        beside.push(suffix);
        let _ = std::fs::remove_file(beside);
    }
    std::fs::write(file, data).expect("the database can be written");
    let Ok(store) = SqliteStore::open_existing(file) else {
        return;
    };
    runtime().block_on(async {
        let _ = store.integrity().await;
        for run in store.runs().await.unwrap_or_default() {
            read_all(&store, &run.run_id).await;
            let _ = rebuild(&store, &run.run_id).await;
        }
    });
}

async fn read_all(store: &dyn Store, run: &RunId) {
    let _ = store.events(run, Seq(0), 1_000).await;
    let _ = store.trials(run).await;
    let _ = store.rollouts(run, Seq(0), 1_000).await;
    let _ = store.reflections(run).await;
    let Ok(row) = store.run(run).await else {
        return;
    };
    if let Ok(snapshots) = snapshots(store, row).await {
        let _ = snapshots.render_all();
    }
}

fn run_row() -> RunRow {
    RunRow {
        run_id: RUN.parse().expect("a well-formed id"),
        name: "fuzz".to_owned(),
        created_at: Timestamp(1_700_000_000_000_000),
        config: serde_json::Value::Null,
        policy_provider: "none".to_owned(),
        policy_model: "none".to_owned(),
        template: PromptTemplate::default(),
        pareto: vec![ExampleId::Seed(1), ExampleId::Seed(2)],
        validation: vec![ExampleId::Seed(3)],
        summary: RunSummary::default(),
    }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().build().expect("a runtime")
    })
}
