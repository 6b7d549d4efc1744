//! Holders of one shared limit on a NATS server, with one of them that makes the changes of all, and where each
//! changes the document itself: changes and conflicts a second, how long a turn takes, how much of the limit is used,
//! and windows of 60 s in which more went out than the limit.
//!
//! `GEPA_NATS_SERVER=$(bash tests/servers/nats.sh) cargo run --release -p gepa-queue --example limit_holders [SECONDS]`

use std::error::Error;
use std::io::{Write, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gepa_limiter::shares::{Questions, SharedDocument, SharedDocuments, Version};
use gepa_limiter::{Limiter, LimiterSettings, Report};
use gepa_queue::{Address, LimitBucket};
use gepa_testing::NatsServer;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Calls a minute that each holder can make of the limit.
const FOR_EACH: u64 = 60;
const CALLERS: usize = 4;
const WINDOW: Duration = Duration::from_mins(1);

/// Counts the changes of a document, with or without its messages.
struct Counted {
    document: Arc<dyn SharedDocument>,
    has_messages: bool,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    changes: AtomicU64,
    conflicts: AtomicU64,
    bytes: AtomicU64,
}

#[async_trait]
impl SharedDocument for Counted {
    async fn read(&self) -> Result<Option<Version>, String> {
        self.document.read().await
    }

    async fn replace(&self, revision: u64, content: Vec<u8>) -> Result<Option<u64>, String> {
        let bytes = content.len() as u64;
        let written = self.document.replace(revision, content).await;
        if let Ok(written) = &written {
            let (counter, bytes) = match written {
                Some(_) => (&self.seen.changes, bytes),
                None => (&self.seen.conflicts, 0),
            };
            counter.fetch_add(1, Ordering::Relaxed);
            self.seen.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        written
    }

    async fn ask(&self, holder: &str, question: Vec<u8>) -> Option<Vec<u8>> {
        self.document.ask(holder, question).await
    }

    async fn listen(&self, holder: &str) -> Result<Option<Box<dyn Questions>>, String> {
        if !self.has_messages {
            return Ok(None);
        }
        self.document.listen(holder).await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args()
        .nth(1)
        .map_or(Ok(50), |text| text.parse())?;
    let Some(server) = NatsServer::start() else {
        return Err(
            "set GEPA_NATS_SERVER to the program that tests/servers/nats.sh installs".into(),
        );
    };
    writeln!(
        stdout(),
        "| holders | who changes the document | changes a second | conflicts a second | MB a second | longest wait \
         for a call, median over holders | limit used | windows above the limit |\n|---|---|---|---|---|---|---|---|"
    )?;
    for holders in [5, 25, 50, 100] {
        for has_messages in [false, true] {
            let row = Box::pin(measure(&server.url(), holders, has_messages, seconds)).await?;
            writeln!(stdout(), "{row}")?;
            stdout().flush()?;
        }
    }
    Ok(())
}

async fn measure(
    url: &str,
    holders: u64,
    has_messages: bool,
    seconds: u64,
) -> Result<String, Box<dyn Error>> {
    let name = format!("key{holders}{has_messages}");
    let limit = holders * FOR_EACH;
    let seen = Arc::new(Seen::default());
    let log: Arc<Mutex<Vec<(Instant, u64)>>> = Arc::default();
    let mut tasks = JoinSet::new();
    let mut kept = Vec::new();
    for holder in 0..holders {
        // Each holder has a connection of its own, as each process has.
        let address = Address {
            url: url.to_owned(),
            ..Address::default()
        };
        let bucket = LimitBucket::open(&address).await?;
        let limiter = Arc::new(Limiter::new(&LimiterSettings {
            max_concurrent: 100_000,
            requests_per_minute: Some(limit),
            tokens_per_minute: None,
            micro_dollars_per_day: None,
            longest_outage: Duration::from_mins(10),
            first_probe_after: Duration::from_secs(1),
            probe_at_least_every: Duration::from_secs(8),
        }));
        let counted = Counted {
            document: bucket.document(&name),
            has_messages,
            seen: Arc::clone(&seen),
        };
        limiter.share_through(Arc::new(counted), &format!("holder-{holder}"));
        let queue = Arc::new(limiter.queue());
        kept.push((bucket, limiter));
        for _ in 0..CALLERS {
            let (queue, log) = (Arc::clone(&queue), Arc::clone(&log));
            tasks.spawn(async move {
                let kind = queue.limiter().kind("one");
                while let Ok(permit) = queue.acquire(1, kind).await {
                    log.lock().push((Instant::now(), holder));
                    sleep(Duration::from_millis(100)).await;
                    permit.finish(Report::Completed { tokens: 1 });
                }
            });
        }
    }
    // The search for the number of calls at once begins at 8, and a limit with a burst.
    sleep(Duration::from_secs(15)).await;
    let counts = || {
        let (changes, conflicts) = (&seen.changes, &seen.conflicts);
        [changes, conflicts, &seen.bytes].map(|one| one.load(Ordering::Relaxed))
    };
    let (before, begun) = (counts(), Instant::now());
    sleep(Duration::from_secs(seconds)).await;
    let after = counts();
    let ended = Instant::now();
    tasks.shutdown().await;
    drop(kept);
    let rate = |place: usize| {
        let [before, after] = [&before, &after].map(|counts| counts.get(place).copied());
        (after.unwrap_or(0) - before.unwrap_or(0)) as f64 / seconds as f64
    };
    let log = std::mem::take(&mut *log.lock());
    let within = log.iter().filter(|(at, _)| (begun..ended).contains(at));
    let used = within.clone().count() as f64 / (limit as f64 / 60.0 * seconds as f64);
    let mut waits: Vec<f64> = (0..holders)
        .map(|holder| {
            let own = within.clone().filter(|(_, one)| *one == holder);
            let mut last = begun;
            let mut longest = 0.0_f64;
            for (at, _) in own {
                longest = longest.max((*at - last).as_secs_f64());
                last = *at;
            }
            longest.max((ended - last).as_secs_f64())
        })
        .collect();
    waits.sort_by(f64::total_cmp);
    let median = waits.get(waits.len() / 2).copied().unwrap_or_default();
    let above = log.iter().enumerate().filter(|(place, (at, _))| {
        let end = log.get(place + limit as usize);
        end.is_some_and(|(last, _)| *last < *at + WINDOW)
    });
    sleep(Duration::from_secs(1)).await;
    Ok(format!(
        "| {holders} | {} | {:.1} | {:.1} | {:.2} | {median:.1} s | {:.1} % | {} |",
        if has_messages { "one of them" } else { "each" },
        rate(0),
        rate(1),
        rate(2) / 1e6,
        used * 100.0,
        above.count()
    ))
}
