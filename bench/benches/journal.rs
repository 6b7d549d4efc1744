//! What do the journal and the rows derived from it cost?
//!
//! Questions: what does an event cost to append, in batches of 64 and of 1 000; what does it cost
//! to take in again when a run is resumed; and does a snapshot cost the same to write, and to read,
//! whether the run before it was short or long? In memory and in SQLite. Times are processor time
//! of the whole process: waiting for the disk is another machine's figure.

#[expect(dead_code, reason = "only runs are needed here")]
mod instant;
#[expect(dead_code, reason = "only the kind of scores is needed here")]
mod simulated;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use gepa_engine::record::{RunRow, RunSummary};
use gepa_engine::{Decision, Event, EventBody, Seq, SnapshotTag, SnapshotTaken, Store};
use gepa_jobs::views::snapshots;
use instant::{Until, World, cpu_seconds};
use simulated::Scores;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const STORES: [&str; 2] = ["memory", "sqlite"];
const ROLLOUTS: u64 = 10_000;
const SHORT_AND_LONG: [u64; 2] = [2_000, 40_000];
/// Members of the archive in a snapshot, for short and long runs.
const MEMBERS: u32 = 20;

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_millis(200));
    targets = append, resume, snapshot
}
criterion_main!(benches);

/// A store in a temporary folder.
struct Place {
    store: Arc<dyn Store>,
    _folder: TempDir,
}

fn place(name: &str) -> Place {
    let folder = tempfile::tempdir().expect("a folder");
    let url = match name {
        "sqlite" => format!("sqlite://{}", folder.path().join("runs.db").display()),
        _ => "memory:".to_owned(),
    };
    Place {
        store: gepa_store::open(&url).expect("a store"),
        _folder: folder,
    }
}

fn world() -> World {
    World {
        explains: true,
        archive_max_size: Some(MEMBERS),
        ..World::new(Scores::Binary)
    }
}

/// A finished run of about `rollouts` rollouts.
async fn finished(store: &Arc<dyn Store>, rollouts: u64) -> RunRow {
    let run = world().run(store, Until::Rollouts(rollouts), 1);
    let run = run.start().await.expect("a run");
    run.finish().await.expect("a result").run
}

/// A run as it was before its first event.
fn unbegun(run: &RunRow) -> RunRow {
    RunRow {
        summary: RunSummary::default(),
        ..run.clone()
    }
}

fn append(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let written = place("memory");
    let (run, events) = runtime.block_on(async {
        let run = finished(&written.store, ROLLOUTS).await;
        let events = written.store.events(&run.run_id, Seq(0), usize::MAX).await;
        (run, events.expect("the journal"))
    });
    let mut group = criterion.benchmark_group("journal/append an event");
    group.sampling_mode(SamplingMode::Flat);
    for store in STORES {
        for batch in [64, 1_000] {
            let id = BenchmarkId::new(store, format!("batches of {batch}"));
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|iterations| {
                    let spent = runtime.block_on(appended(store, &run, &events, batch));
                    spent.mul_f64(iterations as f64 / events.len() as f64)
                });
            });
        }
    }
}

async fn appended(store: &str, run: &RunRow, events: &[Event], batch: usize) -> Duration {
    let Place { store, _folder } = place(store);
    store.create_run(unbegun(run)).await.expect("a fresh run");
    let batches: Vec<Arc<[Event]>> = events.chunks(batch).map(Arc::from).collect();
    let claim = store
        .claim(&run.run_id)
        .await
        .expect("nobody else claims it");
    let began = cpu_seconds();
    for batch in batches {
        let after = Seq(batch[0].seq.0 - 1);
        let appended = store.append(claim.token(), after, batch).await;
        appended.expect("it continues the journal");
    }
    Duration::from_secs_f64(cpu_seconds() - began)
}

fn resume(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("journal/resume an event");
    group.sampling_mode(SamplingMode::Flat);
    for name in STORES {
        for rollouts in SHORT_AND_LONG {
            let Place { store, _folder } = place(name);
            let run = runtime.block_on(finished(&store, rollouts));
            let id = BenchmarkId::new(name, format!("{rollouts} rollouts"));
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|iterations| {
                    let began = cpu_seconds();
                    runtime.block_on(async {
                        let again = world().run(&store, Until::Rollouts(rollouts), 1);
                        let again = again.resume(run.run_id.clone()).await.expect("it resumes");
                        again.finish().await.expect("the same result")
                    });
                    let events = run.summary.seq.0 as f64;
                    Duration::from_secs_f64((cpu_seconds() - began) * iterations as f64 / events)
                });
            });
        }
    }
}

fn snapshot(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    for name in STORES {
        for rollouts in SHORT_AND_LONG {
            let Place { store, _folder } = place(name);
            let mut run = runtime.block_on(finished(&store, rollouts));
            let length = format!("{rollouts} rollouts");
            // Read first: writing adds to what there is to read.
            criterion
                .benchmark_group("snapshot/read")
                .sampling_mode(SamplingMode::Flat)
                .bench_function(BenchmarkId::new(name, &length), |bencher| {
                    bencher.iter_custom(|iterations| {
                        let began = cpu_seconds();
                        for _ in 0..iterations {
                            runtime.block_on(rendered(&store, &run));
                        }
                        Duration::from_secs_f64(cpu_seconds() - began)
                    });
                });
            criterion
                .benchmark_group("snapshot/write")
                .sampling_mode(SamplingMode::Flat)
                .bench_function(BenchmarkId::new(name, &length), |bencher| {
                    bencher.iter_custom(|iterations| {
                        let began = cpu_seconds();
                        for _ in 0..iterations {
                            runtime.block_on(taken(&store, &mut run));
                        }
                        Duration::from_secs_f64(cpu_seconds() - began)
                    });
                });
        }
    }
}

/// Writes another snapshot of the best candidate.
async fn taken(store: &Arc<dyn Store>, run: &mut RunRow) {
    let summary = &mut run.summary;
    let best = summary.best.expect("a best candidate");
    let after = summary.seq;
    summary.seq = Seq(after.0 + 1);
    summary.snapshots += 1;
    let event = Event {
        seq: summary.seq,
        at: summary.updated_at.expect("it has events"),
        body: EventBody::Decision(Decision::SnapshotTaken(SnapshotTaken {
            ordinal: summary.snapshots,
            tag: SnapshotTag::Improvement,
            best,
            subject: best,
            score: summary.best_score,
            token_count: Some(0),
        })),
    };
    let claim = store
        .claim(&run.run_id)
        .await
        .expect("nobody else claims it");
    let appended = store.append(claim.token(), after, Arc::new([event]));
    let appended = appended.await;
    appended.expect("it continues the journal");
}

/// Reads the last snapshot, complete.
async fn rendered(store: &Arc<dyn Store>, run: &RunRow) {
    let snapshots = snapshots(&**store, run.clone()).await.expect("snapshots");
    let last = snapshots.rows.last().expect("a snapshot");
    black_box(snapshots.view(last).expect("it is complete"));
}
