//! What a rollout's event costs to store, all rows derived from it included.
//!
//! `cargo run --release -p gepa-store --example append_cost [ROLLOUTS [BATCH]]`

use std::error::Error;
use std::io::{Write, stdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gepa_engine::{Event, RunId, Seq, Store, Timestamp};
use gepa_store::{MemoryStore, SqliteStore};

mod journal;

use journal::{journal, run_row};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let rollouts: u64 = match arguments.next() {
        Some(count) => count.parse()?,
        None => 60_000,
    };
    let batches = match arguments.next() {
        Some(size) => vec![size.parse()?],
        None => vec![1, 64, 1_000],
    };
    let folder = tempfile::tempdir()?;
    for batch in batches {
        let count = if batch == 1 { rollouts / 20 } else { rollouts };
        let sqlite = SqliteStore::open(folder.path().join(format!("{batch}.db")))?;
        report("sqlite", &sqlite, count, batch).await?;
        report("memory", &MemoryStore::new(), count, batch).await?;
    }
    Ok(())
}

async fn report(
    name: &str,
    store: &dyn Store,
    rollouts: u64,
    batch: usize,
) -> Result<(), Box<dyn Error>> {
    let run = RunId::fresh(Timestamp::now());
    store.create_run(run_row(&run)).await?;
    let claim = store.claim(&run).await?;
    let events = journal(rollouts)?;
    let batches: Vec<Arc<[Event]>> = events.chunks(batch).map(Arc::from).collect();
    let mut last = Seq(0);
    let (began, used) = (Instant::now(), cpu_time());
    for events in batches {
        let after = last;
        last = Seq(last.0 + events.len() as u64);
        store.append(claim.token(), after, events).await?;
    }
    let (elapsed, cpu) = (began.elapsed(), cpu_time().saturating_sub(used));
    let per = |time: Duration| time.as_secs_f64() * 1e6 / rollouts as f64;
    let began_reading = Instant::now();
    let read = store.events(&run, Seq(0), 10_000).await?.len();
    writeln!(
        stdout(),
        "{name}, batches of {batch}: {:.2} us and {:.2} us of processor per rollout; \
         {read} events read in {:.1} ms",
        per(elapsed),
        per(cpu),
        began_reading.elapsed().as_secs_f64() * 1e3,
    )?;
    Ok(())
}

/// Processor time of all threads of this process.
fn cpu_time() -> Duration {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let sum: f64 = ticks.filter_map(|field| field.parse::<f64>().ok()).sum();
    Duration::from_secs_f64(sum / TICKS_PER_SECOND)
}
