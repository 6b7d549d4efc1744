//! Sequences of calls to a limiter, each with the property that must hold.

use std::sync::Arc;
use std::time::Duration;

use shuttle::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::oneshot;

use crate::checked::{CallKind, Limiter, LimiterSettings, Outage, Permit, Report, RunQueue};

const LIMIT: usize = 2;
const CALLS: usize = 4;

/// The queues before a limiter, and the number of calls in flight as the callers count them.
#[derive(Clone)]
struct World {
    /// Two runs before one limiter.
    queues: [Arc<RunQueue>; 2],
    in_flight: Arc<AtomicUsize>,
}

impl World {
    fn new() -> Self {
        let minute = Duration::from_mins(1);
        let settings = LimiterSettings {
            max_concurrent: LIMIT,
            requests_per_minute: None,
            tokens_per_minute: None,
            micro_dollars_per_day: None,
            longest_outage: minute,
            first_probe_after: minute,
            probe_at_least_every: minute,
        };
        let limiter = Arc::new(Limiter::new(&settings));
        Self {
            queues: [limiter.queue(), limiter.queue()].map(Arc::new),
            in_flight: Arc::new(AtomicUsize::new(0)),
        }
    }

    /// Makes one call of a run that ends with `report`. `None` drops the permit, as a cancelled
    /// caller does.
    async fn call(self, run: usize, report: Option<Report>) {
        let permit = self.acquire(run).await.expect("nothing is down");
        let others = self.in_flight.fetch_add(1, Ordering::SeqCst);
        assert!(others < LIMIT, "{} calls in flight", others + 1);
        shuttle::future::yield_now().await;
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        match report {
            Some(report) => permit.finish(report),
            None => drop(permit),
        }
    }

    async fn acquire(&self, run: usize) -> Result<Permit, Outage> {
        self.queues[run % 2].acquire(1, CallKind::default()).await
    }

    /// Checks that one call more than the limit, started together, all get through.
    async fn still_works(&self) {
        let calls: Vec<_> = (0..=LIMIT)
            .map(|run| shuttle::future::spawn(self.clone().call(run, Some(COMPLETED))))
            .collect();
        for call in calls {
            call.await.expect("no call fails");
        }
    }
}

const COMPLETED: Report = Report::Completed { tokens: 1 };

/// There are never more calls in flight than the limit, and every call gets its turn.
pub fn calls_share_the_limit() {
    run(|world| async move { all(&world, |_| Some(COMPLETED)).await });
}

/// A caller that is dropped returns its permit.
pub fn dropped_permits_come_back() {
    run(|world| async move {
        all(&world, |call| (call % 2 == 0).then_some(COMPLETED)).await;
        world.still_works().await;
    });
}

/// A limit lowered by the provider still lets every call through.
pub fn throttled_calls_shrink_the_limit_and_never_stop_it() {
    run(|world| async move {
        all(&world, |call| {
            Some(if call == 0 {
                Report::Throttled { retry_after: None }
            } else {
                Report::Answered
            })
        })
        .await;
    });
}

/// Callers that stop waiting, as first of their queue or behind the first, block no other caller.
pub fn cancelled_waiters_leave_the_queue() {
    run(|world| async move {
        let mut patient = Vec::new();
        let mut impatient = Vec::new();
        for call in 0..CALLS {
            if call % 2 == 0 {
                patient.push(shuttle::future::spawn(
                    world.clone().call(call / 2, Some(COMPLETED)),
                ));
                continue;
            }
            let (leave, left) = oneshot::channel::<()>();
            let world = world.clone();
            let waiting = shuttle::future::spawn(async move {
                tokio::select! {
                    _ = left => {}
                    permit = world.acquire(call / 2) => drop(permit),
                }
            });
            impatient.push((leave, waiting));
        }
        for (leave, waiting) in impatient {
            // A call that has already been served no longer listens.
            let _ = leave.send(());
            waiting.await.expect("leaving is no failure");
        }
        for call in patient {
            call.await.expect("no call fails");
        }
        world.still_works().await;
    });
}

async fn all(world: &World, report: impl Fn(usize) -> Option<Report>) {
    let calls: Vec<_> = (0..CALLS)
        .map(|call| shuttle::future::spawn(world.clone().call(call, report(call))))
        .collect();
    for call in calls {
        call.await.expect("no call fails");
    }
}

fn run<F: Future<Output = ()> + 'static>(scenario: impl FnOnce(World) -> F) {
    shuttle::future::block_on(scenario(World::new()));
}
