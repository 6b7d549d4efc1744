//! A run with 256 slots against a provider with every kind of fault, and the books of both sides at
//! the end.
//!
//! Arguments: `--minutes N` (10 by default) and `--slots N` (256). The exit code is 1 if one of our
//! figures differs from the server's, or if journal, tables and counters disagree.
#![expect(clippy::print_stdout, reason = "it is a report")]

mod audit;
mod world;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use gepa_configs::ConfigSource;
use gepa_engine::{Run, RunResult};
use gepa_models::Environment;
use gepa_tasks::Services;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let minutes = number_after("--minutes")?.unwrap_or(10.0);
    let slots = number_after("--slots")?.unwrap_or(256.0) as u32;
    let directory = tempfile::tempdir()?;
    let server = world::server().await?;
    let config = directory.path().join("config.toml");
    std::fs::write(directory.path().join("rows.jsonl"), world::rows())?;
    std::fs::write(&config, world::config(&server.base_url(), slots))?;
    let url = format!("sqlite://{}", directory.path().join("gepa.db").display());
    let started = Instant::now();
    let result = run(&config, &url, Duration::from_secs_f64(minutes * 60.0)).await?;
    // The books are complete when no call is in flight.
    while server.ledger().in_flight > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!(
        "{slots} slots, {:.1} min, {:?}, most calls at once {}",
        started.elapsed().as_secs_f64() / 60.0,
        result.end,
        server.ledger().max_in_flight
    );
    let store = gepa_store::open_existing(&url)?;
    let differences = audit::audit(&*store, &result.run.run_id, &server.ledger()).await?;
    if differences.is_empty() {
        println!("differences: none");
        return Ok(ExitCode::SUCCESS);
    }
    println!("differences: {}", differences.len());
    for difference in differences {
        println!("  {difference}");
    }
    Ok(ExitCode::FAILURE)
}

/// Runs for the given time and then waits for the calls in flight. A hard limit on time would drop
/// calls, and their replies would not be counted.
async fn run(
    config: &std::path::Path,
    url: &str,
    lasts: Duration,
) -> Result<RunResult, Box<dyn Error>> {
    let environment = Environment::default();
    let task = ConfigSource {
        file: config,
        environment: &environment,
        overrides: &[],
        dialects: gepa_jobs::DIALECTS,
    }
    .load()?;
    let services = Services::new(environment.clone());
    let connected = task.connect(&services).await?;
    let run = Run::builder(task.config)
        .described_as(task.described)
        .store(gepa_store::open(url)?)
        .evaluator(connected.evaluator)
        .proposer(connected.proposer)
        .start()
        .await?;
    let control = run.control();
    let stopping = tokio::spawn(async move {
        tokio::time::sleep(lasts).await;
        control.stop();
    });
    let result = run.finish().await;
    stopping.abort();
    Ok(result?)
}

fn number_after(flag: &str) -> Result<Option<f64>, Box<dyn Error>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != flag);
    if arguments.next().is_none() {
        return Ok(None);
    }
    let value = arguments.next().ok_or("a number is missing")?;
    Ok(Some(value.parse()?))
}
