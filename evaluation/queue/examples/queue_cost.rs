//! What a NATS server does in a second of what many engines and workers need: messages stored and
//! confirmed, messages handed to many listeners, and turns at the document of shared limits.
//!
//! `GEPA_NATS_SERVER=$(bash tests/servers/nats.sh) cargo run --release -p gepa-queue --example queue_cost`

use std::error::Error;
use std::io::{Write, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream};
use futures::StreamExt;
use gepa_limiter::shares::SharedDocuments;
use gepa_limiter::{Limiter, LimiterSettings, Report};
use gepa_queue::{Address, LimitBucket};
use gepa_testing::NatsServer;
use tokio::task::JoinSet;
use tokio::time::sleep;

const TIME: Duration = Duration::from_secs(8);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Some(server) = NatsServer::start() else {
        return Err(
            "set GEPA_NATS_SERVER to the program that tests/servers/nats.sh installs".into(),
        );
    };
    let url = server.url();
    writeln!(stdout(), "| part | a second |\n|---|---|")?;
    for at_once in [1, 16, 256] {
        let rate = stored(&url, at_once).await?;
        writeln!(
            stdout(),
            "| messages stored and confirmed, {at_once} at once | {rate:.0} |"
        )?;
    }
    for listeners in [10, 200] {
        let rate = handed_out(&url, listeners).await?;
        writeln!(
            stdout(),
            "| messages handed to {listeners} listeners each | {rate:.0} |"
        )?;
    }
    writeln!(
        stdout(),
        "\n| processes that share a limit | turns a second | wanted | calls a second | wanted |\n|---|---|---|---|---|"
    )?;
    for holders in [10, 25, 50, 100, 200] {
        let (turns, calls) = Box::pin(turns(&url, holders)).await?;
        writeln!(
            stdout(),
            "| {holders} | {turns:.0} | {} | {calls:.0} | {} |",
            2 * holders,
            holders * CALLERS * 10
        )?;
    }
    Ok(())
}

/// Messages of 2 kB, each with a subject of its own, in a stream like that of work.
async fn stored(url: &str, at_once: usize) -> Result<f64, Box<dyn Error>> {
    let context = jetstream::new(async_nats::connect(url).await?);
    let config = stream::Config {
        name: format!("COST_{at_once}"),
        subjects: vec![format!("cost{at_once}.>")],
        retention: stream::RetentionPolicy::WorkQueue,
        ..stream::Config::default()
    };
    context.create_stream(config).await?;
    let count = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        let (context, count) = (context.clone(), Arc::clone(&count));
        tasks.spawn(async move {
            loop {
                let number = count.fetch_add(1, Ordering::Relaxed);
                let subject = format!("cost{at_once}.{number}");
                let sent = context.publish(subject, vec![b'x'; 2_000].into()).await;
                let stored = match sent {
                    Ok(sent) => sent.await.is_ok(),
                    Err(_) => false,
                };
                if !stored {
                    return;
                }
            }
        });
    }
    sleep(TIME).await;
    let rate = count.load(Ordering::Relaxed) as f64 / TIME.as_secs_f64();
    tasks.shutdown().await;
    Ok(rate)
}

/// Messages of 400 bytes that are not stored, as the ones in which processes say that they are there.
async fn handed_out(url: &str, listeners: usize) -> Result<f64, Box<dyn Error>> {
    let count = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..listeners {
        let client = async_nats::connect(url).await?;
        let mut heard = client.subscribe("there").await?;
        client.flush().await?;
        let count = Arc::clone(&count);
        tasks.spawn(async move {
            let _client = client;
            while heard.next().await.is_some() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let speaker = async_nats::connect(url).await?;
    let begun = Instant::now();
    while begun.elapsed() < TIME {
        for _ in 0..20 {
            speaker.publish("there", vec![b'x'; 400].into()).await?;
        }
        speaker.flush().await?;
    }
    let rate = count.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    tasks.shutdown().await;
    Ok(rate)
}

const CALLERS: usize = 4;

/// Holders with calls of 100 ms that nothing but their turns holds back: turns and calls of all of them.
async fn turns(url: &str, holders: usize) -> Result<(f64, f64), Box<dyn Error>> {
    let address = Address {
        url: url.to_owned(),
        ..Address::default()
    };
    let bucket = LimitBucket::open(&address).await?;
    let name = format!("holders{holders}");
    let calls = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    let mut limiters = Vec::new();
    for holder in 0..holders {
        let limiter = Arc::new(Limiter::new(&LimiterSettings {
            max_concurrent: 100_000,
            requests_per_minute: Some(6_000_000),
            tokens_per_minute: None,
            micro_dollars_per_day: None,
            longest_outage: Duration::from_mins(10),
            first_probe_after: Duration::from_secs(1),
            probe_at_least_every: Duration::from_secs(8),
        }));
        limiter.share_through(bucket.document(&name), &format!("holder-{holder}"));
        let queue = Arc::new(limiter.queue());
        limiters.push(limiter);
        for _ in 0..CALLERS {
            let (queue, calls) = (Arc::clone(&queue), Arc::clone(&calls));
            tasks.spawn(async move {
                let kind = queue.limiter().kind("one");
                while let Ok(permit) = queue.acquire(1, kind).await {
                    sleep(Duration::from_millis(100)).await;
                    permit.finish(Report::Completed { tokens: 1 });
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }
    // The search for the number of calls at once begins at 8.
    sleep(TIME).await;
    let document = bucket.document(&name);
    let revision = || async {
        document
            .read()
            .await
            .map(|found| found.map_or(0, |one| one.revision))
    };
    let (before, called, begun) = (
        revision().await?,
        calls.load(Ordering::Relaxed),
        Instant::now(),
    );
    sleep(TIME).await;
    let seconds = begun.elapsed().as_secs_f64();
    let turns = (revision().await? - before) as f64 / seconds;
    let rate = (calls.load(Ordering::Relaxed) - called) as f64 / seconds;
    tasks.shutdown().await;
    drop(limiters);
    // What is left of the keepers ends with their limiters.
    sleep(Duration::from_secs(1)).await;
    Ok((turns, rate))
}
