//! Runs a job file with overrides from Rust, and shows its progress, its result, and the status
//! that a job queue stores.
//!
//! ```text
//! cargo run -p gepa-jobs --example job_runner -- job.toml prompt_learning.gepa.rollout.budget=100
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::path::Path;
use std::sync::Arc;

use gepa_configs::ConfigSource;
use gepa_engine::{Counters, Run, RunHandle, RunResult, Store};
use gepa_jobs::JobStatus;
use gepa_models::Environment;
use gepa_tasks::Services;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("name a job file")?;
    let overrides: Vec<String> = arguments.collect();
    let show = |counters: &Counters| {
        println!(
            "{} rollouts, {} trials",
            counters.total_rollouts, counters.trials_tried
        );
    };
    let result = run_job(
        Path::new(&file),
        &overrides,
        gepa_store::open("memory:")?,
        show,
    )
    .await?;
    println!(
        "{}",
        serde_json::to_string_pretty(&JobStatus::of(&result.run))?
    );
    for message in &result.messages {
        println!("[{}]\n{}", message.role, message.content);
    }
    Ok(())
}

/// Runs a job to its end. `progress` is called after each batch of stored events.
async fn run_job(
    file: &Path,
    overrides: &[String],
    store: Arc<dyn Store>,
    progress: impl Fn(&Counters) + Send + 'static,
) -> Result<RunResult, Box<dyn std::error::Error>> {
    let environment = Environment::of_process().overlaid_with(Path::new(".env"))?;
    // A job that arrives as JSON is loaded by `SubmittedConfig` instead. It may name no file,
    // command or variable of this machine.
    let task = ConfigSource {
        file,
        environment: &environment,
        overrides,
        dialects: gepa_jobs::DIALECTS,
    }
    .load()?;
    for note in task.notes() {
        println!("note: {note}");
    }
    // One `Services` per process: jobs share its limits, and the address to which task apps send
    // their model calls.
    let services = Services::new(task.environment().clone());
    let connected = task.connect(&services).await?;
    let run = Run::builder(task.config)
        .described_as(task.described)
        .store(store)
        .evaluator(connected.evaluator)
        .proposer(connected.proposer)
        .start()
        .await?;
    println!("job {}", run.run_id());
    let following = follow(&run, progress);
    let result = run.finish().await?;
    following.await?;
    Ok(result)
}

/// Counts events as they are stored. Every figure of a run is such a count.
fn follow(
    run: &RunHandle,
    progress: impl Fn(&Counters) + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    let mut events = run.subscribe();
    tokio::spawn(async move {
        let mut counters = Counters::default();
        // A receiver that falls too far behind gets an error; it would read the rest from the
        // store.
        while let Ok(batch) = events.recv().await {
            for event in batch.iter() {
                counters.count(&event.body);
            }
            progress(&counters);
        }
    })
}
