//! Measures what lags cost in score and gain in time. The defaults of `gate_lag` and `pareto_lag`
//! are based on this experiment.
//!
//! ```text
//! cargo run --release -p gepa-bench --example lags -- [--seeds 24] [--slots 16] [--only NAME] [--families all]
//! ```
//!
//! The real engine on simulated worlds, in virtual time (rollouts 2 s, reflections 20 s). Every way
//! of scheduling runs on the same worlds and is compared with the sequential algorithm world by
//! world: the exact score on the hidden test set of the candidate it would hand out, at the end and
//! averaged over the course of rollouts, the time until it first has a candidate as good on the
//! pareto set as nine tenths of what the sequential algorithm gains in the end, and the share of the
//! sequential algorithm's time after which the mean score over worlds is the one that it ends with.
//! Families that nothing is tuned on are left out unless `--families all` asks for them;
//! `--families calibrated` takes those that follow recorded runs.

#![expect(clippy::print_stdout, reason = "prints the table it is for")]

mod course;
mod paired;

use std::error::Error;
use std::sync::Arc;

use course::{Course, follow};
use gepa_bench::schedules::{Mode, modes};
use gepa_bench::worlds::{Family, World};
use paired::Paired;
use rayon::prelude::*;

#[derive(Debug)]
struct Wanted {
    seeds: u64,
    slots: u32,
    rollouts: u64,
    pareto: usize,
    only: String,
    families: Vec<Family>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let wanted = wanted()?;
    let names: Vec<&str> = wanted.families.iter().map(|f| f.as_str()).collect();
    println!(
        "{} seeds of {}; {} slots, pareto {}, {} rollouts",
        wanted.seeds,
        names.join(", "),
        wanted.slots,
        wanted.pareto,
        wanted.rollouts
    );
    println!("score: hidden test, percentage points against sequential, 95 % interval");
    let worlds: Vec<Arc<World>> = wanted
        .families
        .iter()
        .flat_map(|family| (0..wanted.seeds).map(|seed| Arc::new(World::new(*family, seed))))
        .collect();
    let every = modes();
    let sequential = run_all(&every[0], &worlds, &wanted);
    print_sequential(&sequential);
    for mode in every[1..]
        .iter()
        .filter(|mode| mode.name.contains(&wanted.only))
    {
        let courses = run_all(mode, &worlds, &wanted);
        print_row(mode, &courses, &sequential);
    }
    Ok(())
}

fn wanted() -> Result<Wanted, Box<dyn Error>> {
    let mut wanted = Wanted {
        seeds: 24,
        slots: 16,
        rollouts: 1_500,
        pareto: 50,
        only: String::new(),
        families: Family::ADDING_UP
            .into_iter()
            .filter(|family| *family != Family::HeldOut)
            .collect(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        match name.as_str() {
            "--seeds" => wanted.seeds = value.parse()?,
            "--slots" => wanted.slots = value.parse()?,
            "--rollouts" => wanted.rollouts = value.parse()?,
            "--pareto" => wanted.pareto = value.parse()?,
            "--only" => wanted.only = value,
            "--families" if value == "all" => wanted.families = Family::ADDING_UP.to_vec(),
            "--families" if value == "calibrated" => {
                wanted.families = Family::CALIBRATED.to_vec();
            }
            "--families" => wanted.families = vec![value.parse()?],
            _ => {
                let names = "--seeds, --slots, --rollouts, --pareto, --only, --families";
                return Err(format!("{name} is none of {names}").into());
            }
        }
    }
    Ok(wanted)
}

fn run_all(mode: &Mode, worlds: &[Arc<World>], wanted: &Wanted) -> Vec<Course> {
    worlds
        .par_iter()
        .map(|world| follow(world, mode, wanted.slots, wanted.pareto, wanted.rollouts))
        .collect()
}

fn print_sequential(courses: &[Course]) {
    let mean = |of: fn(&Course) -> f64| courses.iter().map(of).sum::<f64>() / courses.len() as f64;
    println!(
        "\n  sequential: seed {:.1} %, end {:.1} %, {:.0} s, {:.1} accepted\n",
        100.0 * mean(Course::seed_score),
        100.0 * mean(Course::final_score),
        mean(|course| course.seconds),
        mean(|course| course.accepted as f64),
    );
    println!(
        "  {:<28} {:>14} {:>14} {:>9} {:>9} {:>12} {:>9} {:>9}",
        "", "score at end", "over rollouts", "wall", "to goal", "got there", "as good", "accepted"
    );
}

fn print_row(mode: &Mode, courses: &[Course], sequential: &[Course]) {
    let pairs = || courses.iter().zip(sequential);
    let at_end = Paired::of(pairs().map(|(a, b)| a.final_score() - b.final_score()));
    let over = Paired::of(pairs().map(|(a, b)| a.mean_score() - b.mean_score()));
    let goals: Vec<f64> = sequential.iter().map(Course::goal).collect();
    let reached = |courses: &[Course]| -> (f64, f64) {
        let times: Vec<Option<f64>> = courses
            .iter()
            .zip(&goals)
            .map(|(course, goal)| course.seconds_to(*goal))
            .collect();
        let share = times.iter().flatten().count() as f64 / times.len() as f64;
        // A run that never reached the goal counts with its full time.
        let seconds: f64 = times
            .iter()
            .zip(courses)
            .map(|(time, course)| time.unwrap_or(course.seconds))
            .sum();
        (share, seconds)
    };
    let (share, seconds) = reached(courses);
    let (_, sequential_seconds) = reached(sequential);
    let total = |courses: &[Course]| courses.iter().map(|c| c.seconds).sum::<f64>();
    let accepted: u64 = courses.iter().map(|course| course.accepted).sum();
    let last = mean_of(sequential.iter().map(Course::final_score));
    let as_good = match seconds_to_mean(courses, last) {
        Some(seconds) => format!(
            "{:.2}",
            seconds / mean_of(sequential.iter().map(|c| c.seconds))
        ),
        None => "never".to_owned(),
    };
    println!(
        "  {:<28} {at_end:>14} {over:>14} {:>8.1}x {:>8.1}x {:>10.0} % {as_good:>9} {:>9.1}",
        mode.name,
        total(sequential) / total(courses),
        sequential_seconds / seconds,
        100.0 * share,
        accepted as f64 / courses.len() as f64,
    );
}

fn mean_of(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// When the mean of the scores over all worlds first is at least `target`.
fn seconds_to_mean(courses: &[Course], target: f64) -> Option<f64> {
    let mut rises: Vec<(f64, f64)> = courses.iter().flat_map(Course::rises).collect();
    rises.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut sum: f64 = courses.iter().map(Course::seed_score).sum();
    let wanted = target * courses.len() as f64;
    rises.into_iter().find_map(|(seconds, rise)| {
        sum += rise;
        (sum >= wanted).then_some(seconds)
    })
}
