//! Latency and throughput of appends with several writers, each with a run and a store of its own, as
//! engines have them. SQLite, PostgreSQL, PostgreSQL with prepared statements, and PostgreSQL behind
//! a pooler, in one run.
//!
//! `bash tests/servers/postgres.sh with cargo run --release -p gepa-store --example writers [SECONDS]`

use std::error::Error;
use std::io::{Write, stdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gepa_engine::{Event, RunId, Seq, Store, StoreError, Timestamp};
use gepa_postgres::open;

mod journal;

use journal::{journal, run_row};

/// Events of a batch: one as when rollouts come one by one, and a few as in a busy run.
const BATCHES: [usize; 2] = [1, 32];

/// Events in the journal of a writer; it begins a new run when they are written.
const ROLLOUTS: u64 = 6_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let seconds: u64 = std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let mut stores = vec![(
        "SQLite".to_owned(),
        format!("sqlite://{}", folder.path().join("runs.db").display()),
    )];
    let schema = format!("writers_{}", std::process::id());
    for (name, variable, keys) in [
        ("PostgreSQL", "GEPA_TEST_POSTGRES", ""),
        (
            "PostgreSQL, prepared",
            "GEPA_TEST_POSTGRES",
            "&prepare=true",
        ),
        ("PostgreSQL, pgbouncer", "GEPA_TEST_PGBOUNCER", ""),
    ] {
        if let Ok(server) = std::env::var(variable) {
            stores.push((name.to_owned(), format!("{server}?schema={schema}{keys}")));
        }
    }
    writeln!(
        stdout(),
        "| store | events per append | writers | median ms | 99 % ms | appends/s | events/s |"
    )?;
    writeln!(stdout(), "|---|---|---|---|---|---|---|")?;
    for batch in BATCHES {
        for (name, url) in &stores {
            for writers in [1, 4, 16] {
                let time = Duration::from_secs(seconds);
                let mut latencies = measure(url, writers, batch, time).await?;
                latencies.sort_unstable();
                let at = |part: f64| {
                    let place = (latencies.len() as f64 * part) as usize;
                    latencies
                        .get(place)
                        .map_or(0.0, |time| time.as_secs_f64() * 1e3)
                };
                let rate = latencies.len() as f64 / time.as_secs_f64();
                writeln!(
                    stdout(),
                    "| {name} | {batch} | {writers} | {:.2} | {:.2} | {rate:.0} | {:.0} |",
                    at(0.5),
                    at(0.99),
                    rate * batch as f64
                )?;
            }
        }
    }
    Ok(())
}

/// The latencies of all appends within the time.
async fn measure(
    url: &str,
    writers: usize,
    batch: usize,
    time: Duration,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let events = journal(ROLLOUTS)?;
    let batches: Arc<[Arc<[Event]>]> = events.chunks(batch).map(Arc::from).collect();
    let mut stores = Vec::new();
    let shared = open(url).await?;
    for _ in 0..writers {
        // Processes share a SQLite file through one writer each as well.
        stores.push(open(url).await?);
    }
    drop(shared);
    let end = Instant::now() + time;
    let writing: Vec<_> = stores
        .into_iter()
        .map(|store| tokio::spawn(write(store, Arc::clone(&batches), end)))
        .collect();
    let mut latencies = Vec::new();
    for writer in writing {
        latencies.extend(writer.await??);
    }
    Ok(latencies)
}

async fn write(
    store: Arc<dyn Store>,
    batches: Arc<[Arc<[Event]>]>,
    end: Instant,
) -> Result<Vec<Duration>, StoreError> {
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let run = RunId::fresh(Timestamp::now());
        store.create_run(run_row(&run)).await?;
        let claim = store.claim(&run).await?;
        let mut last = Seq(0);
        for batch in batches.iter() {
            let began = Instant::now();
            if began >= end {
                break;
            }
            let after = last;
            last = Seq(last.0 + batch.len() as u64);
            store
                .append(claim.token(), after, Arc::clone(batch))
                .await?;
            latencies.push(began.elapsed());
        }
    }
    Ok(latencies)
}
