//! What does the engine itself spend on a rollout, and does that depend on the size of the archive?
//!
//! Complete runs with an evaluator and a reflection model that answer at once, on a runtime with
//! all its threads. The figure is the processor time of the process between two sizes of the
//! archive, divided by the rollouts between them. It includes the engine, the store, the runtime,
//! and the small work of the evaluator.
//!
//! `cargo run --release -p gepa-bench --example engine_overhead [memory|sqlite|nothing]`

#[expect(dead_code, reason = "shared with programs that need more of it")]
#[path = "../benches/instant/mod.rs"]
mod instant;
#[expect(dead_code, reason = "only the kind of scores is needed here")]
#[path = "../benches/simulated/mod.rs"]
mod simulated;

use std::error::Error;
use std::io::{Write, stdout};
use std::sync::Arc;

use gepa_engine::Store;
use gepa_engine::config::Evaluation;
use instant::{Mark, Meter, Until, World};
use simulated::Scores;

/// Windows around each size, and how often a run up to there is repeated.
const WINDOWS: [(u64, u64, usize); 3] = [(50, 150, 30), (900, 1_100, 8), (9_500, 10_500, 1)];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let wanted = std::env::args().nth(1);
    let mut out = stdout();
    writeln!(
        out,
        "us of processor per rollout, archive of\nstore    rows    scores            100     1 000    10 000   10 000 / 100"
    )?;
    for store in ["memory", "sqlite"] {
        if wanted.as_ref().is_some_and(|wanted| wanted != store) {
            continue;
        }
        let rows = [Evaluation::Full, Evaluation::Growing];
        let kinds = [Scores::Binary, Scores::Continuous];
        for (rows, scores) in rows
            .into_iter()
            .flat_map(|rows| kinds.map(|kind| (rows, kind)))
        {
            let mut costs = Vec::new();
            for window in WINDOWS {
                costs.push(cost(store, (rows, scores), window).await?);
            }
            writeln!(
                out,
                "{store:8} {:7} {:10}   {:8.2}  {:8.2}  {:8.2}   {:8.2}",
                format!("{rows:?}"),
                format!("{scores:?}"),
                costs[0],
                costs[1],
                costs[2],
                costs[2] / costs[0]
            )?;
        }
    }
    Ok(())
}

/// Microseconds of processor per rollout while the archive has sizes within the window.
async fn cost(
    store: &str,
    kind: (Evaluation, Scores),
    (from, to, repetitions): (u64, u64, usize),
) -> Result<f64, Box<dyn Error>> {
    let (mut seconds, mut rollouts) = (0.0, 0);
    for seed in 0..repetitions as u64 {
        let folder = tempfile::tempdir()?;
        let url = match store {
            "sqlite" => format!("sqlite://{}", folder.path().join("runs.db").display()),
            _ => "memory:".to_owned(),
        };
        let [first, last] = measured(gepa_store::open(&url)?, kind, from, to, seed).await?;
        seconds += last.cpu - first.cpu;
        rollouts += last.rollouts - first.rollouts;
    }
    Ok(seconds * 1e6 / rollouts as f64)
}

async fn measured(
    store: Arc<dyn Store>,
    (rows, scores): (Evaluation, Scores),
    from: u64,
    to: u64,
    seed: u64,
) -> Result<[Mark; 2], Box<dyn Error>> {
    let meter = Meter::at(vec![from, to]);
    let world = World {
        rows,
        ..World::new(scores)
    };
    let run = world.run(&store, Until::Candidates(to as u32 + 5), seed);
    meter.finish(run).await?;
    let marks = meter.marks();
    marks
        .try_into()
        .map_err(|_| "the archive did not reach the size".into())
}
