//! How close does each schedule come to the limit? Measures wall-clock and slot utilisation of the
//! real engine in virtual time, on the abstract task of the published simulations.
//!
//! ```text
//! cargo run --release -p gepa-bench --example utilisation -- [--seeds 5] [--only NAME] [--real 20]
//! ```
//!
//! Rollouts take 2 s on average (log-normal, sigma 0.6), reflections 20 s (sigma 0.35), a minibatch
//! has 3 examples, and a child passes its gate with probability 0.25. The clock is the runtime's
//! paused one: it jumps from one event to the next, so the figures hold no cost of this machine,
//! and a run of an hour takes a fraction of a second. The limit is rollouts x mean latency / slots.
//!
//! `--real 20` measures the middle size against the machine's own clock instead, with all latencies
//! divided by 20: what virtual time says, engine and timers included.

#![expect(clippy::print_stdout, reason = "prints the table it is for")]

mod task;

use std::error::Error;

use gepa_bench::schedules::{Mode, modes};
use rayon::prelude::*;
use task::{Clock, Measured, Size, measure};

const SLOTS: [u32; 3] = [16, 64, 256];
const SIZES: [Size; 3] = [
    Size::new(50, 2_000),
    Size::new(100, 5_000),
    Size::new(300, 7_000),
];

/// The arguments of the command line.
#[derive(Debug, Default)]
struct Wanted {
    seeds: u64,
    only: String,
    /// How much faster than on the virtual clock everything runs; virtual time if absent.
    real: Option<f64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let wanted = wanted()?;
    let (clock, sizes) = match wanted.real {
        None => (Clock::Virtual, &SIZES[..]),
        Some(faster) => (Clock::Real { faster }, &SIZES[1..2]),
    };
    println!("{} seeds, {clock:?}", wanted.seeds);
    println!("wall-clock, as a multiple of the limit, utilisation, accepted, seconds per accepted");
    for size in sizes {
        for slots in SLOTS {
            println!(
                "\npareto {}, {} rollouts, {slots} slots, limit {:.0} s",
                size.pareto,
                size.rollouts,
                size.limit_seconds(slots)
            );
            for mode in modes() {
                if mode.name.contains(&wanted.only) {
                    print_row(
                        &mode,
                        &measure_all(&mode, *size, slots, clock, wanted.seeds),
                    );
                }
            }
        }
    }
    Ok(())
}

fn wanted() -> Result<Wanted, Box<dyn Error>> {
    let mut wanted = Wanted {
        seeds: 5,
        ..Wanted::default()
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        match name.as_str() {
            "--seeds" => wanted.seeds = value.parse()?,
            "--only" => wanted.only = value,
            "--real" => wanted.real = Some(value.parse()?),
            _ => return Err(format!("{name} is none of --seeds, --only, --real").into()),
        }
    }
    Ok(wanted)
}

/// One run per seed: at once in virtual time, one after the other where they share a real clock.
fn measure_all(mode: &Mode, size: Size, slots: u32, clock: Clock, seeds: u64) -> Vec<Measured> {
    let run = |seed| measure(mode, size, slots, seed, clock);
    match clock {
        Clock::Virtual => (0..seeds).into_par_iter().map(run).collect(),
        Clock::Real { .. } => (0..seeds).map(run).collect(),
    }
}

fn print_row(mode: &Mode, runs: &[Measured]) {
    let mean = |of: fn(&Measured) -> f64| runs.iter().map(of).sum::<f64>() / runs.len() as f64;
    let wall = mean(|run| run.wall_seconds);
    let accepted = mean(|run| run.accepted);
    println!(
        "  {:<28} {wall:>7.0} s {:>6.2}x {:>5.1} % {accepted:>6.1} {:>7.1} s",
        mode.name,
        mean(|run| run.times_the_limit),
        100.0 * mean(|run| run.utilisation),
        wall / accepted.max(1.0),
    );
}
