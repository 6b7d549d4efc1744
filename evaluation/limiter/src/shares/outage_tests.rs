//! One outage seen by several holders: one probe for all of them, also where the holder dies that makes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::place::Place;
use super::*;
use crate::{Limiter, LimiterSettings, Report};

/// A provider that is there or not.
#[derive(Default)]
struct Provider {
    is_down: AtomicBool,
    asked: AtomicU64,
    /// The holder that asked last.
    last: AtomicU64,
}

struct Holder {
    tasks: JoinSet<()>,
    served: Arc<AtomicU64>,
}

fn start(place: &Arc<Place>, name: u64, provider: &Arc<Provider>) -> Holder {
    let limiter = Arc::new(Limiter::new(&LimiterSettings {
        max_concurrent: 64,
        requests_per_minute: None,
        tokens_per_minute: None,
        micro_dollars_per_day: None,
        longest_outage: Duration::from_mins(10),
        first_probe_after: Duration::from_secs(1),
        probe_at_least_every: Duration::from_secs(8),
    }));
    limiter.share();
    let queue = Arc::new(limiter.queue());
    let served = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    let keeper = Keeper::new(Arc::clone(place) as _, &limiter, format!("holder-{name}"));
    tasks.spawn(keeper.keep());
    for _ in 0..10 {
        let (queue, provider, served) = (
            Arc::clone(&queue),
            Arc::clone(provider),
            Arc::clone(&served),
        );
        tasks.spawn(async move {
            let kind = queue.limiter().kind("one");
            while let Ok(permit) = queue.acquire(1, kind).await {
                provider.asked.fetch_add(1, Ordering::Relaxed);
                provider.last.store(name, Ordering::Relaxed);
                sleep(Duration::from_millis(200)).await;
                if provider.is_down.load(Ordering::Relaxed) {
                    permit.finish(Report::Unavailable {
                        overloaded: false,
                        retry_after: None,
                    });
                    sleep(Duration::from_millis(100)).await;
                } else {
                    permit.finish(Report::Completed { tokens: 1 });
                    served.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    Holder { tasks, served }
}

#[tokio::test(start_paused = true)]
async fn one_holder_at_a_time_finds_out_whether_the_provider_is_back() {
    let place = Place::new(11, 4, 0);
    let provider = Arc::new(Provider::default());
    let mut holders: Vec<Holder> = (0..5).map(|name| start(&place, name, &provider)).collect();
    sleep(Duration::from_secs(20)).await;
    assert!(
        holders
            .iter()
            .all(|one| one.served.load(Ordering::Relaxed) > 20)
    );

    provider.is_down.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(4)).await;
    let before = provider.asked.load(Ordering::Relaxed);
    sleep(Duration::from_mins(1)).await;
    let probes = provider.asked.load(Ordering::Relaxed) - before;
    // One process probes every 8 s. Five that do not know of each other would probe 40 times.
    assert!((5..=12).contains(&probes), "{probes} probes in 60 s");

    // Who probed last dies during its next probe, and another one takes over.
    let count = provider.asked.load(Ordering::Relaxed);
    while provider.asked.load(Ordering::Relaxed) == count {
        sleep(Duration::from_millis(50)).await;
    }
    let last = provider.last.load(Ordering::Relaxed) as usize;
    holders.remove(last).tasks.abort_all();
    sleep(Duration::from_secs(20)).await;
    assert!(provider.asked.load(Ordering::Relaxed) > count + 1);

    provider.is_down.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(10)).await;
    let served = |one: &Holder| one.served.load(Ordering::Relaxed);
    let back: Vec<u64> = holders.iter().map(served).collect();
    sleep(Duration::from_secs(10)).await;
    for (holder, before) in holders.iter().zip(back) {
        assert!(
            served(holder) > before + 50,
            "{} after {before}",
            served(holder)
        );
    }
    for holder in &mut holders {
        holder.tasks.abort_all();
    }
}
