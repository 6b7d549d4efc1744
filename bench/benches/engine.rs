//! Does the engine's own work per rollout stay constant?
//!
//! Questions: what does a rollout cost besides its evaluation, with runs kept in memory and in
//! SQLite, with archives of 100, 1 000 and 10 000 candidates, with 0/1 and with continuous scores?
//! And what do a hundred subscribers to its events add?
//!
//! Every figure is processor time of the whole process, all threads together, over the rollouts of
//! a window around the size; a sample is a whole run up to there. `examples/engine_overhead.rs`
//! prints the same as a table with ratios.

mod instant;
#[expect(dead_code, reason = "archives are filled by runs here")]
mod simulated;

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use gepa_engine::{Event, RunHandle};
use instant::{Mark, Meter, Until, World, cpu_seconds};
use simulated::Scores;
use tokio::runtime::Runtime;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Windows around a size: in memory, and in SQLite, where the largest takes minutes a sample.
const MEMORY: [(u64, u64, u64); 3] = [(100, 50, 150), (1_000, 900, 1_100), (10_000, 9_500, 10_500)];
const SQLITE: [(u64, u64, u64); 2] = [(100, 50, 150), (1_000, 900, 1_100)];

const WATCHED_ROLLOUTS: u64 = 20_000;

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_millis(100));
    targets = memory, sqlite, subscribers
}
criterion_main!(benches);

fn memory(criterion: &mut Criterion) {
    overhead(criterion, "engine/memory", &MEMORY);
}

fn sqlite(criterion: &mut Criterion) {
    overhead(criterion, "engine/sqlite", &SQLITE);
}

fn overhead(criterion: &mut Criterion, name: &str, windows: &[(u64, u64, u64)]) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat);
    for scores in [Scores::Binary, Scores::Continuous] {
        for &(size, from, to) in windows {
            let id = BenchmarkId::new(format!("{scores:?}"), size);
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|iterations| {
                    let each = runtime.block_on(each(name, scores, from, to));
                    each.mul_f64(iterations as f64)
                });
            });
        }
    }
}

/// Processor time of a rollout while the archive grows within the window.
async fn each(name: &str, scores: Scores, from: u64, to: u64) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let url = match name {
        "engine/sqlite" => format!("sqlite://{}", folder.path().join("runs.db").display()),
        _ => "memory:".to_owned(),
    };
    let store = gepa_store::open(&url).expect("a store");
    let meter = Meter::at(vec![from, to]);
    let run = World::new(scores).run(&store, Until::Candidates(to as u32 + 5), 1);
    meter.finish(run).await.expect("a result");
    let marks: [Mark; 2] = meter.marks().try_into().expect("both sizes were reached");
    let [first, last] = marks;
    Duration::from_secs_f64((last.cpu - first.cpu) / (last.rollouts - first.rollouts) as f64)
}

fn subscribers(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("engine/subscribers");
    group.sampling_mode(SamplingMode::Flat);
    for count in [0, 1, 100] {
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter_custom(|iterations| {
                let each = runtime.block_on(watched(count));
                each.mul_f64(iterations as f64)
            });
        });
    }
}

/// Processor time of a rollout of a run with this number of listeners to its events.
async fn watched(listeners: usize) -> Duration {
    let store = gepa_store::open("memory:").expect("a store");
    let began = cpu_seconds();
    let run = World::new(Scores::Binary).run(&store, Until::Rollouts(WATCHED_ROLLOUTS), 1);
    let run: RunHandle = run.start().await.expect("a run");
    let listening: Vec<_> = (0..listeners)
        .map(|_| tokio::spawn(listen(run.subscribe())))
        .collect();
    let result = run.finish().await.expect("a result");
    for listener in listening {
        listener.await.expect("it does not panic");
    }
    let rollouts = result.run.summary.counters.total_rollouts;
    Duration::from_secs_f64((cpu_seconds() - began) / rollouts as f64)
}

async fn listen(mut events: Receiver<Arc<[Event]>>) {
    let mut read = 0;
    loop {
        match events.recv().await {
            Ok(batch) => read += batch.len(),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => break,
        }
    }
    std::hint::black_box(read);
}
