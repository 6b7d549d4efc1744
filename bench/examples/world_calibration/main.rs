//! How similar are the simulated worlds to recorded runs of real models? Runs the engine
//! sequentially in the in-process twin, and prints the figures that describe the recorded runs.
//!
//! `cargo run --release -p gepa-bench --example world_calibration -- [SEEDS [ROLLOUTS [FAMILY]]]`

mod table;
mod ways;

use std::error::Error;
use std::io;

use gepa_bench::worlds::Family;
use gepa_engine::config::ParentSelection;

use ways::{BATCHES, Way, all};

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
