//! The limiter before a provider of unknown capacity, under a clock that moves only while every
//! task waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::shares::place::Place;
use super::*;
use gepa_testing::{Capacity, CapacityPlan, Demand, Overload, Period, Verdict, oracle};

/// Network time in each direction.
const WAY: Duration = Duration::from_millis(2);

/// The result of a plan.
struct Outcome {
    /// Calls served, as a share of the oracle's, in each period and in all.
    shares: Vec<f64>,
    share: f64,
    refused_share: f64,
    /// Mean number of calls in flight at the provider in each period.
    in_flight: Vec<f64>,
    /// Calls served of each run.
    by_run: Vec<u64>,
}

struct World {
    plan: CapacityPlan,
    provider: Mutex<Capacity>,
    next: AtomicU64,
    by_run: Mutex<Vec<u64>>,
    ends: Instant,
}

fn refusing(periods: Vec<Period>) -> CapacityPlan {
    CapacityPlan::new(periods)
}

fn demand(plan: &CapacityPlan, number: u64) -> Demand {
    Demand {
        service: plan.service_time(&format!("call {number}")),
        tokens: 100 + number * 7_919 % 800,
    }
}

/// Plays the plan with one run for each entry of `tasks_by_run`. Each run has that many tasks, and
/// every task calls without a break until the plan is over.
fn play(plan: &CapacityPlan, tasks_by_run: &[usize]) -> Outcome {
    play_in(1, plan, tasks_by_run)
}

/// The same with the runs spread over processes that share their limits.
fn play_in(processes: usize, plan: &CapacityPlan, tasks_by_run: &[usize]) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let place = Place::new(5, 4, 0);
        let limiters: Vec<Arc<Limiter>> = (0..processes)
            .map(|process| {
                let limiter = Arc::new(Limiter::new(&LimiterSettings {
                    max_concurrent: 256,
                    requests_per_minute: None,
                    tokens_per_minute: None,
                    micro_dollars_per_day: None,
                    longest_outage: Duration::from_mins(10),
                    first_probe_after: Duration::from_secs(1),
                    probe_at_least_every: Duration::from_secs(8),
                }));
                if processes > 1 {
                    limiter.share_through(Arc::clone(&place) as _, &format!("process {process}"));
                }
                limiter
            })
            .collect();
        let world = Arc::new(World {
            plan: plan.clone(),
            provider: Mutex::new(Capacity::new(plan.clone())),
            next: AtomicU64::new(0),
            by_run: Mutex::new(vec![0; tasks_by_run.len()]),
            ends: Instant::now() + plan.lasts(),
        });
        let mut tasks = JoinSet::new();
        for (run, count) in tasks_by_run.iter().enumerate() {
            let queue = Arc::new(limiters[run % processes].queue());
            for _ in 0..*count {
                tasks.spawn(Arc::clone(&world).call_on_and_on(Arc::clone(&queue), run));
            }
        }
        sleep_until(world.ends).await;
        tasks.shutdown().await;
        world.outcome()
    })
}

impl World {
    async fn call_on_and_on(self: Arc<Self>, queue: Arc<RunQueue>, run: usize) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            while !self.call(&queue, number).await {
                sleep(Duration::from_millis(250)).await;
            }
            self.by_run.lock()[run] += 1;
        }
    }

    /// Makes one attempt. Returns whether it was served.
    async fn call(&self, queue: &RunQueue, number: u64) -> bool {
        let demand = demand(&self.plan, number);
        let permit = queue.acquire(demand.tokens, CallKind(0)).await.unwrap();
        sleep(WAY).await;
        let verdict = self.provider.lock().arrives(demand, Instant::now());
        let report = match verdict {
            Verdict::Served { after } => {
                sleep(after).await;
                self.provider
                    .lock()
                    .ends(Some(demand.tokens), Instant::now());
                Report::Completed {
                    tokens: demand.tokens,
                }
            }
            Verdict::Refused {
                status: 503,
                retry_after,
            } => Report::Unavailable {
                overloaded: true,
                retry_after: retry_after.map(Duration::from_secs),
            },
            Verdict::Refused { retry_after, .. } => Report::Throttled {
                retry_after: retry_after.map(Duration::from_secs),
            },
            Verdict::Down => Report::Unavailable {
                overloaded: false,
                retry_after: None,
            },
        };
        sleep(WAY).await;
        permit.finish(report);
        matches!(report, Report::Completed { .. })
    }

    fn outcome(&self) -> Outcome {
        let provider = self.provider.lock();
        let books = provider.books();
        let best = oracle(&self.plan, |number| demand(&self.plan, number));
        let pairs = || books.iter().zip(&best);
        let served: u64 = books.iter().map(|period| period.served).sum();
        let most: u64 = best.iter().map(|period| period.served).sum();
        let refused: u64 = books.iter().map(|period| period.refused).sum();
        Outcome {
            shares: pairs()
                .map(|(ours, best)| ours.served as f64 / best.served.max(1) as f64)
                .collect(),
            share: served as f64 / most as f64,
            refused_share: refused as f64 / (served + refused) as f64,
            in_flight: books
                .iter()
                .zip(&self.plan.periods)
                .map(|(books, period)| books.busy_seconds / period.lasts.as_secs_f64())
                .collect(),
            by_run: self.by_run.lock().clone(),
        }
    }
}

#[track_caller]
fn check(plan: &CapacityPlan) -> Outcome {
    let outcome = play(plan, &[300]);
    assert!(outcome.share >= 0.9, "served {:.3}", outcome.share);
    assert!(
        outcome.refused_share < 0.02,
        "refused {:.4}",
        outcome.refused_share
    );
    outcome
}

#[test]
fn an_unknown_capacity_is_found_and_used() {
    for capacity in [12, 25, 30, 35, 40, 50, 60, 80, 150] {
        let settled = check(&refusing(vec![
            Period::concurrent(20.0, capacity),
            Period::concurrent(40.0, capacity),
        ]));
        assert!(settled.shares[1] > 0.95, "{:?}", settled.shares);
    }
}

#[test]
fn a_capacity_that_changes_is_followed_down_and_up() {
    let steps = [40, 10, 60, 25].map(|capacity| Period::concurrent(30.0, capacity));
    check(&refusing(steps.to_vec()));
    let sawtooth = (0..60).map(|second| Period::concurrent(1.0, 20 + 2 * (second % 20)));
    check(&refusing(sawtooth.collect()));
}

#[test]
fn unknown_limits_per_minute_are_found_from_refusals_alone() {
    let unlimited = Period::concurrent(90.0, usize::MAX);
    check(&refusing(vec![unlimited.requests_per_minute(1_200)]));
    check(&refusing(vec![unlimited.requests_per_minute(6_000)]));
    check(&refusing(vec![unlimited.tokens_per_minute(600_000)]));
}

#[test]
fn pauses_the_provider_requests_are_kept_and_cost_little() {
    for period in [
        Period::concurrent(120.0, 40),
        Period::concurrent(120.0, usize::MAX).requests_per_minute(3_000),
    ] {
        check(&CapacityPlan {
            overload: Overload::Refuse {
                status: 429,
                retry_after: Some(1),
            },
            ..refusing(vec![period])
        });
    }
}

#[test]
fn a_provider_that_says_overloaded_is_treated_like_one_that_throttles() {
    check(&CapacityPlan {
        overload: Overload::Refuse {
            status: 503,
            retry_after: None,
        },
        ..refusing(vec![Period::concurrent(60.0, 40)])
    });
}

#[test]
fn a_provider_that_only_gets_slower_is_not_sent_many_more_calls_than_it_works_on() {
    let queueing = CapacityPlan {
        overload: Overload::Queue,
        ..refusing(vec![
            Period::concurrent(20.0, 40),
            Period::concurrent(40.0, 40),
        ])
    };
    let outcome = check(&queueing);
    assert!(
        outcome.in_flight[1] < 100.0,
        "300 wanted to go, 40 were worked on: {:?}",
        outcome.in_flight
    );
}

#[test]
fn after_an_outage_calls_go_on_as_before_it() {
    let outcome = check(&refusing(vec![
        Period::concurrent(30.0, 40),
        Period::concurrent(5.0, 0),
        Period::concurrent(40.0, 40),
    ]));
    assert!(outcome.shares[2] > 0.85, "{:?}", outcome.shares);
}

#[test]
fn runs_that_wait_together_get_equal_shares_however_many_calls_each_has_waiting() {
    let plan = refusing(vec![Period::concurrent(60.0, 24)]);
    let served = play(&plan, &[250, 40, 12]).by_run;
    let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
    assert!(*least as f64 > 0.95 * *most as f64, "{served:?}");
}

#[test]
fn a_run_that_needs_less_than_its_share_never_waits_behind_the_others() {
    let plan = refusing(vec![Period::concurrent(60.0, 40)]);
    let served = play(&plan, &[250, 4]).by_run;
    // Four tasks with calls of 360 ms on average, and almost no wait between calls.
    assert!(served[1] as f64 > 0.8 * 60.0 * 4.0 / 0.37, "{served:?}");
}

#[test]
fn random_refusals_do_not_lower_the_level_to_one_call_at_a_time() {
    let limiter = Arc::new(Limiter::new(&LimiterSettings {
        max_concurrent: 64,
        requests_per_minute: None,
        tokens_per_minute: None,
        micro_dollars_per_day: None,
        longest_outage: Duration::from_mins(10),
        first_probe_after: Duration::from_secs(1),
        probe_at_least_every: Duration::from_secs(8),
    }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let served = Arc::new(AtomicU64::new(0));
    runtime.block_on(async {
        let queue = Arc::new(limiter.queue());
        let numbers = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..64 {
            let (queue, numbers, served) = (
                Arc::clone(&queue),
                Arc::clone(&numbers),
                Arc::clone(&served),
            );
            tasks.spawn(async move {
                loop {
                    let permit = queue.acquire(1, CallKind(0)).await.unwrap();
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    sleep(WAY).await;
                    // One call in twelve is refused, in no order and at any load.
                    if number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 & 0xFFFF < 0x1555 {
                        permit.finish(Report::Throttled { retry_after: None });
                        continue;
                    }
                    sleep(Duration::from_millis(200 + number * 37 % 200)).await;
                    permit.finish(Report::Completed { tokens: 1 });
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        sleep(Duration::from_mins(2)).await;
        tasks.shutdown().await;
    });
    let at_one_call_at_a_time = 120.0 / 0.3;
    let served = served.load(Ordering::Relaxed) as f64;
    assert!(served > 4.0 * at_one_call_at_a_time, "{served}");
}

/// The same plan in one process and in five that share their limits.
#[track_caller]
fn check_shared(plan: &CapacityPlan, least: f64, most_refused: f64) -> Outcome {
    let alone = play(plan, &[300]);
    let shared = play_in(5, plan, &[60; 5]);
    println!(
        "served {:.3} alone, {:.3} shared {:.3?}; refused {:.4} alone, {:.4} shared; each {:?}",
        alone.share,
        shared.share,
        shared.shares,
        alone.refused_share,
        shared.refused_share,
        shared.by_run
    );
    assert!(shared.share >= least, "served {:.3}", shared.share);
    assert!(
        shared.refused_share <= most_refused,
        "refused {:.4}",
        shared.refused_share
    );
    shared
}

#[test]
fn processes_that_share_a_key_find_its_capacity_together() {
    let capacities = [12, 25, 30, 35, 40, 50, 60, 80, 150];
    let refused = capacities.map(|capacity| {
        let plan = refusing(vec![
            Period::concurrent(30.0, capacity),
            Period::concurrent(60.0, capacity),
        ]);
        check_shared(&plan, 0.85, 0.03).refused_share
    });
    let mean = refused.iter().sum::<f64>() / refused.len() as f64;
    assert!(mean <= 0.02, "refused {mean:.4} in the mean");
}

#[test]
fn processes_that_share_a_key_follow_its_capacity_down_and_up() {
    let steps = [40, 10, 60, 25].map(|capacity| Period::concurrent(60.0, capacity));
    check_shared(&refusing(steps.to_vec()), 0.8, 0.04);
}

#[test]
fn more_processes_than_calls_at_once_take_turns() {
    let shared = check_shared(&refusing(vec![Period::concurrent(120.0, 3)]), 0.6, 0.05);
    let least = shared.by_run.iter().min().unwrap();
    assert!(
        *least * 10 > shared.by_run.iter().sum::<u64>() / 2,
        "{:?}",
        shared.by_run
    );
}

#[test]
fn processes_that_share_a_key_do_not_fill_the_queue_of_a_provider_that_only_gets_slower() {
    let queueing = CapacityPlan {
        overload: Overload::Queue,
        ..refusing(vec![
            Period::concurrent(30.0, 40),
            Period::concurrent(60.0, 40),
        ])
    };
    let outcome = check_shared(&queueing, 0.85, 0.02);
    assert!(outcome.in_flight[1] < 130.0, "{:?}", outcome.in_flight);
}
