//! Compares policies of the search where the truth is known: simulated worlds and real texts, at
//! several numbers of pareto examples and budgets, with the engine in process and one proposal at a
//! time unless a policy says otherwise.
//!
//! ```text
//! cargo run --release -p gepa-bench --bin policies -- grid --results FILE [--seeds 0..40]
//! cargo run --release -p gepa-bench --bin policies -- report --results FILE
//! cargo run --release -p gepa-bench --bin policies -- null --results FILE --seeds 0..1000
//! cargo run --release -p gepa-bench --bin policies -- moments [--seeds 0..30]
//! cargo run --release -p gepa-bench --bin policies -- serve
//! ```
//!
//! `serve` is for `bench/compare/reference_grid.py`, which adds runs of the reference implementation.
//!
//! `policies.txt` beside this file lists what is compared. `grid` and `null` add a line to the file
//! for each finished run and leave out runs that are there already. The tasks on texts need
//! `--datasets FOLDER`, with the folders `trec`, `sms_spam` and `banking77`.

#![expect(clippy::print_stderr, reason = "says what it does while it runs")]

mod moments;
mod results;
mod run;
mod settings;
mod table;
mod tasks;

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use gepa_bench::worlds::{Family, WorldServer};
use rayon::prelude::*;
use tokio::runtime::Builder;

use results::Results;
use run::Cell;
use settings::Policy;
use tasks::Kind;

/// Held-out examples on which `null` decides whether the winner is better.
const NULL_VALIDATION: usize = 100;

#[derive(Debug)]
struct Wanted {
    command: String,
    results: Option<PathBuf>,
    datasets: PathBuf,
    seeds: Range<u64>,
    pareto: Vec<usize>,
    budgets: Vec<u64>,
    tasks: Vec<Kind>,
    policies: Vec<Policy>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let wanted = wanted()?;
    let mut out = io::stdout().lock();
    match wanted.command.as_str() {
        "grid" => grid(&wanted, 0)?,
        "null" => {
            grid(&wanted, NULL_VALIDATION)?;
            write_null(&mut out, &wanted)?;
        }
        "report" => report(&mut out, &wanted)?,
        "serve" => serve(&mut out)?,
        "moments" => {
            let families: Vec<Family> = wanted
                .tasks
                .iter()
                .filter_map(|kind| kind.family())
                .collect();
            moments::write(&mut out, &families, wanted.seeds.end, &wanted.policies)?;
        }
        other => {
            return Err(format!("{other} is none of grid, null, report, moments, serve").into());
        }
    }
    Ok(())
}

fn wanted() -> Result<Wanted, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let command = arguments
        .next()
        .ok_or("name one of grid, null, report, moments, serve")?;
    let is_null = command == "null";
    let mut wanted = Wanted {
        results: None,
        datasets: PathBuf::new(),
        seeds: 0..30,
        pareto: if is_null {
            vec![100]
        } else {
            vec![50, 100, 300]
        },
        budgets: if is_null {
            vec![1_500]
        } else {
            vec![500, 1_500, 4_000]
        },
        tasks: if is_null {
            vec![Kind::World(Family::Nothing)]
        } else {
            Kind::worlds()
        },
        policies: Policy::listed()?,
        command,
    };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        match name.as_str() {
            "--results" => wanted.results = Some(value.into()),
            "--datasets" => wanted.datasets = value.into(),
            "--seeds" => {
                let (from, to) = value.split_once("..").ok_or("--seeds is FROM..TO")?;
                wanted.seeds = from.parse()?..to.parse()?;
            }
            "--pareto" => wanted.pareto = numbers(&value)?,
            "--budgets" => wanted.budgets = numbers(&value)?,
            "--tasks" if value == "texts" => wanted.tasks = Kind::texts(),
            "--tasks" => {
                let kinds = value.split(',').map(str::parse);
                wanted.tasks = kinds.collect::<Result<_, String>>()?;
            }
            "--policies" => {
                let names: Vec<&str> = value.split(';').map(str::trim).collect();
                wanted
                    .policies
                    .retain(|policy| names.contains(&policy.name.as_str()));
            }
            _ => return Err(format!("{name} is no option; the head of main.rs lists them").into()),
        }
    }
    if wanted.policies.is_empty() {
        return Err("--policies names none of policies.txt; separate names by `;`".into());
    }
    Ok(wanted)
}

fn numbers<T: std::str::FromStr>(list: &str) -> Result<Vec<T>, T::Err> {
    list.split(',').map(str::parse).collect()
}

fn results(wanted: &Wanted) -> Result<&Path, Box<dyn Error>> {
    let path = wanted.results.as_deref();
    path.ok_or_else(|| "--results FILE is missing".into())
}

/// Runs what is not in the file yet, all cells of a seed before the next seed.
fn grid(wanted: &Wanted, validation: usize) -> Result<(), Box<dyn Error>> {
    let results = Results::open(results(wanted)?)?;
    for seed in wanted.seeds.clone() {
        let tasks = wanted.tasks.par_iter();
        let done = tasks.map(|kind| all_of(*kind, seed, wanted, validation, &results));
        let done: usize = done.collect::<Result<Vec<usize>, String>>()?.iter().sum();
        if done > 0 && validation == 0 {
            eprintln!("seed {seed}: {done} runs");
        }
    }
    Ok(())
}

/// All runs on the task of this kind and seed; their number.
fn all_of(
    kind: Kind,
    seed: u64,
    wanted: &Wanted,
    validation: usize,
    results: &Results,
) -> Result<usize, String> {
    let sizes = wanted.pareto.iter();
    let sizes =
        sizes.flat_map(|pareto| wanted.budgets.iter().map(move |budget| (*pareto, *budget)));
    let mut todo = Vec::new();
    for (pareto, budget) in sizes {
        for policy in &wanted.policies {
            let cell = Cell {
                task: kind.to_string(),
                seed,
                pareto,
                budget,
                policy: policy.name.clone(),
            };
            let is_same_as_full = policy.first.is_some_and(|first| first >= pareto);
            if !is_same_as_full && !results.has(&cell) {
                todo.push((cell, policy));
            }
        }
    }
    if todo.is_empty() {
        return Ok(0);
    }
    let task = kind.task(seed, &wanted.datasets)?;
    let count = todo.len();
    for (cell, policy) in todo {
        let tokens = policy.tokens_of.as_ref().map(|name| {
            let policy = name.clone();
            let used = results.tokens(&Cell {
                policy,
                ..cell.clone()
            });
            used.filter(|used| *used > 0).ok_or_else(|| {
                format!(
                    "{} needs a run of `{name}` whose tokens are known",
                    cell.policy
                )
            })
        });
        let row = run::run(cell, &task, policy, validation, tokens.transpose()?)?;
        results.add(&row).map_err(|error| error.to_string())?;
    }
    Ok(count)
}

/// Serves worlds until it is killed, for other implementations.
fn serve(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = WorldServer::start().await?;
        writeln!(out, "listening on http://{}", server.address())?;
        out.flush()?;
        tokio::signal::ctrl_c().await?;
        Ok(())
    })
}

fn report(out: &mut impl Write, wanted: &Wanted) -> Result<(), Box<dyn Error>> {
    let rows = results::read(results(wanted)?)?;
    let listed = wanted.policies.iter().map(|policy| policy.name.clone());
    let mut names: Vec<String> = listed.collect();
    let all: BTreeSet<String> = Policy::listed()?.into_iter().map(|one| one.name).collect();
    // Other implementations add rows of their own.
    let others: BTreeSet<&String> = rows.iter().map(|row| &row.cell.policy).collect();
    names.extend(
        others
            .into_iter()
            .filter(|name| !all.contains(*name))
            .cloned(),
    );
    let tasks: BTreeSet<String> = wanted.tasks.iter().map(Kind::to_string).collect();
    table::write(out, &rows, &names, &tasks)?;
    for name in &names[1..] {
        table::write_by_task(out, &rows, name, &names[0])?;
    }
    Ok(())
}

fn write_null(out: &mut impl Write, wanted: &Wanted) -> Result<(), Box<dyn Error>> {
    let rows = results::read(results(wanted)?)?;
    writeln!(
        out,
        "| task | policy | runs | kept the seed | reported gain over the truth | true gain | verdict `better` |\n|---|---|---|---|---|---|---|"
    )?;
    for kind in &wanted.tasks {
        for policy in &wanted.policies {
            let task = kind.to_string();
            let own: Vec<_> = rows
                .iter()
                .filter(|row| row.cell.task == task && row.cell.policy == policy.name)
                .collect();
            let count = own.len().max(1) as f64;
            let mean =
                |value: fn(&run::Row) -> f64| own.iter().map(|r| value(r)).sum::<f64>() / count;
            writeln!(
                out,
                "| {task} | {} | {} | {:.2} | {:+.1} | {:+.2} | {:.3} |",
                policy.name,
                own.len(),
                mean(|row| f64::from(u8::from(row.kept_seed))),
                100.0 * mean(|row| row.reported - row.truth),
                100.0 * mean(|row| row.truth - row.seed_truth),
                mean(|row| f64::from(u8::from(row.better == Some(true)))),
            )?;
        }
    }
    Ok(())
}
