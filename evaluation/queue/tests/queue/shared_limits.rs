//! One limit over several holders, with a real server.

use std::sync::Arc;
use std::time::Duration;

use gepa_limiter::shares::SharedDocuments;
use gepa_limiter::{Limiter, LimiterSettings, Report};
use gepa_queue::LimitBucket;
use gepa_testing::NatsServer;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::address;

const LIMIT: u64 = 1_200;

/// A holder that wants more than there is.
async fn hold(url: &str, name: &str, log: Arc<Mutex<Vec<Instant>>>) -> JoinSet<()> {
    let bucket = LimitBucket::open(&address(url)).await.unwrap();
    let limiter = Arc::new(Limiter::new(&LimiterSettings {
        max_concurrent: 100,
        requests_per_minute: Some(LIMIT),
        tokens_per_minute: None,
        micro_dollars_per_day: None,
        longest_outage: Duration::from_mins(10),
        first_probe_after: Duration::from_secs(1),
        probe_at_least_every: Duration::from_secs(8),
    }));
    limiter.share_through(bucket.document("key"), name);
    let queue = Arc::new(limiter.queue());
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let (queue, log) = (Arc::clone(&queue), Arc::clone(&log));
        callers.spawn(async move {
            let kind = queue.limiter().kind("one");
            while let Ok(permit) = queue.acquire(1, kind).await {
                log.lock().push(Instant::now());
                sleep(Duration::from_millis(20)).await;
                permit.finish(Report::Completed { tokens: 1 });
            }
        });
    }
    callers
}

#[tokio::test(flavor = "multi_thread")]
async fn holders_on_a_real_server_share_the_even_rate_of_one() {
    let Some(mut queue) = NatsServer::start() else {
        return;
    };
    let logs: Vec<Arc<Mutex<Vec<Instant>>>> = (0..4).map(|_| Arc::default()).collect();
    let mut holders = Vec::new();
    let begun = Instant::now();
    for (name, log) in logs.iter().enumerate() {
        holders.push(hold(&queue.url(), &format!("holder-{name}"), Arc::clone(log)).await);
    }
    sleep(Duration::from_secs(5)).await;
    // While the place of the limit is gone, nothing goes out.
    queue.kill();
    sleep(Duration::from_secs(4)).await;
    let gone = Instant::now();
    sleep(Duration::from_secs(1)).await;
    let during = logs
        .iter()
        .map(|log| log.lock().iter().filter(|at| **at > gone).count());
    assert_eq!(during.sum::<usize>(), 0);
    queue.start_again();
    sleep(Duration::from_secs(8)).await;
    let seconds = begun.elapsed().as_secs_f64();
    let counts: Vec<usize> = logs.iter().map(|log| log.lock().len()).collect();
    let sum: usize = counts.iter().sum();
    // The even rate, and the bursts of the shared limit and of what it saved while it was gone.
    let most = LIMIT as f64 / 60.0 * (seconds + 4.0);
    assert!((sum as f64) <= most, "{sum} of {most}: {counts:?}");
    assert!(sum > 100, "{counts:?}");
    assert!(
        counts.iter().all(|count| *count * 8 >= sum / 4),
        "{counts:?}"
    );
}
