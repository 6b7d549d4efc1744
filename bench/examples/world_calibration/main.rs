//! How similar are the simulated worlds to recorded runs of real models? Runs the engine
//! sequentially in the in-process twin, and prints the figures that describe the recorded runs.
//!
//! `cargo run --release -p gepa-bench --example world_calibration -- [SEEDS [ROLLOUTS [FAMILY]]]`

mod table;

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::thread;

use gepa_bench::worlds::{Conditions, Family, RunFigures, Search, World};
use gepa_engine::Settings;
use gepa_engine::config::{Evaluation, ParentSelection};

const TRAIN: usize = 60;
const PARETO: usize = 100;
/// Minibatch sizes whose acceptance is compared.
const BATCHES: [u32; 3] = [3, 8, 16];

/// One way to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    minibatch: u32,
    parent: ParentSelection,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, usual: u64| -> Result<u64, Box<dyn Error>> {
        Ok(arguments.get(at).map_or(Ok(usual), |text| text.parse())?)
    };
    let (seeds, rollouts) = (number(0, 20)?, number(1, 2_500)?);
    let families = match arguments.get(2) {
        Some(name) => vec![name.parse()?],
        None => Family::ADDING_UP.to_vec(),
    };
    let mut out = io::stdout().lock();
    table::write_head(&mut out, seeds, rollouts)?;
    for family in families {
        let mut runs = Vec::new();
        for minibatch in BATCHES {
            let parent = ParentSelection::Pareto;
            let way = Way { minibatch, parent };
            runs.push(all(family, seeds, rollouts, way)?);
        }
        let greedy = Way {
            minibatch: BATCHES[0],
            parent: ParentSelection::CurrentBest,
        };
        let greedy = all(family, seeds, rollouts, greedy)?;
        table::write_family(&mut out, family, &runs, &greedy)?;
    }
    Ok(())
}

/// The figures of the runs in all worlds of a family, on two threads.
fn all(
    family: Family,
    seeds: u64,
    rollouts: u64,
    way: Way,
) -> Result<Vec<RunFigures>, Box<dyn Error>> {
    let half = move |first: u64| -> Result<Vec<RunFigures>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let worlds = (first..seeds).step_by(2);
        worlds
            .map(|seed| runtime.block_on(one(family, seed, rollouts, way)))
            .collect()
    };
    thread::scope(|scope| {
        let other = scope.spawn(move || half(1));
        let mut figures = half(0)?;
        figures.extend(other.join().map_err(|_| "a thread panicked")??);
        Ok(figures)
    })
}

async fn one(family: Family, seed: u64, rollouts: u64, way: Way) -> Result<RunFigures, String> {
    let world = Arc::new(World::new(family, seed));
    let search = Search {
        world: Arc::clone(&world),
        conditions: Conditions::default(),
        settings: {
            let mut settings = Settings::default();
            settings.search.evaluation = Evaluation::Full;
            settings.run.seed = seed;
            settings.run.gate_lag = 1;
            settings.run.pareto_lag = 1;
            settings.search.minibatch_size = way.minibatch;
            settings.search.parent = way.parent;
            settings.budget.max_rollouts = Some(rollouts);
            settings
        },
        train: TRAIN,
        pareto: PARETO,
        validation: 0,
    };
    let searched = search.finish().await.map_err(|error| error.to_string())?;
    Ok(RunFigures::of(&world, &searched))
}
