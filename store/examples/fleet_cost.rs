//! What the queue of jobs costs many engines: how long it takes to take a job among many that wait, one engine
//! after the other and all at once, and how many claims are renewed in a second.
//!
//! `bash tests/servers/postgres.sh with cargo run --release -p gepa-store --example fleet_cost`

use std::error::Error;
use std::io::{Write, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gepa_engine::{RunId, Store};
use gepa_postgres::PostgresStore;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

#[expect(dead_code, reason = "only the row of a run is wanted here")]
mod journal;

use journal::run_row;

const TIME: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::var("GEPA_TEST_POSTGRES")
        .map_err(|_| "run it with `bash tests/servers/postgres.sh with ...`")?;
    let schema = format!("fleet_{}", std::process::id());
    let url = format!("{server}?schema={schema}&connections=4");
    let store = PostgresStore::open(&url).await?;
    let first: RunId = "pl_0000000000000000".parse()?;
    store.create_run(run_row(&first)).await?;
    let (client, connection) = tokio_postgres::connect(&server, NoTls).await?;
    tokio::spawn(connection);
    writeln!(
        stdout(),
        "| jobs that wait | one look without a free job, ms | engines | looks a second of all |\n|---|---|---|---|"
    )?;
    let mut there = 1;
    for jobs in [100, 1_000, 10_000] {
        client.batch_execute(&add(&schema, there, jobs)).await?;
        there = jobs;
        // No job may be taken, so that each look finds the same.
        let unable: Vec<RunId> = Vec::new();
        let limits = [gepa_postgres::TenantLimits {
            tenant: "all".to_owned(),
            share: 1.0,
            max_running: Some(0),
            rollouts_per_day: None,
            tokens_per_day: None,
            micro_usd_per_day: None,
        }];
        let begun = Instant::now();
        let mut looks = 0;
        while begun.elapsed() < TIME {
            if store.take_job(&unable, &limits).await?.is_some() {
                return Err("a job was taken".into());
            }
            looks += 1;
        }
        let one = begun.elapsed().as_secs_f64() / f64::from(looks) * 1e3;
        for engines in [1, 8, 32] {
            let rate = at_once(&url, engines, &limits).await?;
            writeln!(stdout(), "| {jobs} | {one:.2} | {engines} | {rate:.0} |")?;
        }
    }
    let renewed = renewals(&client, &schema).await?;
    writeln!(
        stdout(),
        "\nclaims renewed a second, one statement each: {renewed:.0}"
    )?;
    client
        .batch_execute(&format!("DROP SCHEMA {schema} CASCADE"))
        .await?;
    Ok(())
}

/// Jobs that wait, up to this number.
fn add(schema: &str, first: usize, last: usize) -> String {
    let last = last - 1;
    format!(
        "INSERT INTO {schema}.runs (run_id, format, name, created_at, policy_provider, policy_model, config, \
         template, pareto, validation, summary) SELECT 'pl_' || lpad(to_hex(n), 16, '0'), format, name, created_at, \
         policy_provider, policy_model, config, template, pareto, validation, summary \
         FROM {schema}.runs, generate_series({first}, {last}) n WHERE run_id = 'pl_0000000000000000'; \
         INSERT INTO {schema}.claims (run_id) SELECT run_id FROM {schema}.runs ON CONFLICT DO NOTHING; \
         INSERT INTO {schema}.jobs (run_id, tenant, priority) SELECT run_id, 'all', 0 FROM {schema}.runs \
         ON CONFLICT DO NOTHING; ANALYZE {schema}.runs; ANALYZE {schema}.claims; ANALYZE {schema}.jobs"
    )
}

/// Looks a second of engines that look without a pause.
async fn at_once(
    url: &str,
    engines: usize,
    limits: &[gepa_postgres::TenantLimits],
) -> Result<f64, Box<dyn Error>> {
    let count = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..engines {
        let store = PostgresStore::open(url).await?;
        let (count, limits) = (Arc::clone(&count), limits.to_vec());
        tasks.spawn(async move {
            while store.take_job(&[], &limits).await.is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let (before, begun) = (count.load(Ordering::Relaxed), Instant::now());
    tokio::time::sleep(TIME).await;
    let rate = (count.load(Ordering::Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
    tasks.shutdown().await;
    Ok(rate)
}

async fn renewals(
    client: &tokio_postgres::Client,
    schema: &str,
) -> Result<f64, tokio_postgres::Error> {
    let sql = format!(
        "UPDATE {schema}.claims SET until = clock_timestamp() + interval '6 s' WHERE run_id = $1"
    );
    let statement = client.prepare(&sql).await?;
    let (begun, mut count) = (Instant::now(), 0_u32);
    while begun.elapsed() < TIME {
        let run = format!("pl_{:016x}", count % 100);
        client.execute(&statement, &[&run]).await?;
        count += 1;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}
