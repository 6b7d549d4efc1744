//! The ways to search that the table compares, and the runs of each.

use std::error::Error;
use std::sync::Arc;
use std::thread;

use gepa_bench::worlds::{Conditions, Family, RunFigures, Search, World};
use gepa_engine::Settings;
use gepa_engine::config::{Evaluation, ParentSelection};

const TRAIN: usize = 60;
pub(crate) const PARETO: usize = 100;
/// Minibatch sizes whose acceptance is compared.
pub(crate) const BATCHES: [u32; 3] = [3, 8, 16];

/// One way to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) minibatch: u32,
    pub(crate) parent: ParentSelection,
}

/// The figures of the runs in all worlds of a family, on two threads.
pub(crate) fn all(
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
