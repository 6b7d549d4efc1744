//! Does the archive keep up with evaluations at any size?
//!
//! Questions: what does one more candidate cost an archive of 100, 1 000 and 10 000 candidates
//! over 300 and 3 000 instances, with 0/1 scores (ties everywhere) and with continuous ones (no
//! ties)? What does a parent cost? Both should not depend on the number of candidates, and an
//! insertion at 300 instances with ties should take at most a microsecond.
//!
//! Insertions are timed in short bursts on a copy of an archive that already has its size. The
//! copying is not timed. Building the score row is done by the caller and sums the scores one by
//! one; it has a group of its own.

mod simulated;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gepa_archive::{Archive, CandidateIndex, InstanceScore, Origin, ParentRule, ScoreRow};
use simulated::{Scores, Words, candidate, entries, filled_archive};

const CANDIDATES: [usize; 3] = [100, 1_000, 10_000];
const INSTANCES: [usize; 2] = [300, 3_000];
const KINDS: [Scores; 2] = [Scores::Binary, Scores::Continuous];

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(400));
    targets = archives, row
}
criterion_main!(benches);

fn archives(criterion: &mut Criterion) {
    for instances in INSTANCES {
        for kind in KINDS {
            for candidates in CANDIDATES {
                let name = format!("{candidates}x{instances} {kind:?}");
                let archive = filled_archive(kind, candidates, instances);
                insert(criterion, &name, &archive, kind, instances);
                select(criterion, &name, &archive);
            }
        }
    }
}

fn insert(
    criterion: &mut Criterion,
    name: &str,
    archive: &Archive,
    kind: Scores,
    instances: usize,
) {
    // Short enough that the archive keeps its size.
    let burst = (archive.len() / 10).max(20);
    let mut words = Words::new(99);
    let newcomers: Vec<ScoreRow> = (0..burst)
        .map(|_| row_of(entries(&mut words, kind, instances)))
        .collect();
    criterion.benchmark_group("insert").bench_function(
        BenchmarkId::from_parameter(name),
        |bencher| {
            bencher.iter_custom(|iterations| {
                let mut elapsed = Duration::ZERO;
                let mut left = iterations as usize;
                while left > 0 {
                    let batch = &newcomers[..left.min(burst)];
                    elapsed += time_insertions(archive.clone(), batch);
                    left -= batch.len();
                }
                elapsed
            });
        },
    );
}

fn time_insertions(mut archive: Archive, newcomers: &[ScoreRow]) -> Duration {
    let shared = candidate();
    let start = Instant::now();
    for row in newcomers {
        let parents = vec![CandidateIndex(0)];
        let inserted = archive.insert(shared.clone(), parents, Origin::Reflection, row);
        black_box(inserted.expect("the parent exists"));
    }
    start.elapsed()
}

fn select(criterion: &mut Criterion, name: &str, archive: &Archive) {
    let mut group = criterion.benchmark_group("select");
    let selectors = [
        ("pareto", ParentRule::Pareto),
        ("top 5", ParentRule::TopKPareto { k: 5 }),
    ];
    for (selector_name, selector) in selectors {
        let mut words = Words::new(7);
        group.bench_function(BenchmarkId::new(selector_name, name), |bencher| {
            bencher.iter(|| archive.select(&selector, &mut words));
        });
    }
}

fn row(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("score row");
    for instances in INSTANCES {
        let scores = entries(&mut Words::new(3), Scores::Continuous, instances);
        group.bench_function(BenchmarkId::from_parameter(instances), |bencher| {
            bencher.iter_batched(|| scores.clone(), row_of, criterion::BatchSize::LargeInput);
        });
    }
}

fn row_of(scores: Vec<InstanceScore>) -> ScoreRow {
    ScoreRow::new(scores).expect("finite scores")
}
