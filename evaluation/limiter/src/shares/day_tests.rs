//! The limit on the cost of a day over several holders: it holds, it is used, it is over at midnight.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::place::Place;
use super::*;
use crate::{Limiter, LimiterSettings, Needs, Outage, Report, UsedUp};

const DAY: u64 = 86_400_000;

/// What went out: the place's time, and the cost.
type Log = Arc<Mutex<Vec<(u64, u64)>>>;

#[derive(Clone, Copy)]
struct Calls {
    callers: usize,
    reserved: u64,
    cost: u64,
    limit: Option<u64>,
}

struct Holder {
    _tasks: JoinSet<()>,
    ends: Arc<Mutex<Vec<UsedUp>>>,
}

fn start(place: &Arc<Place>, name: &str, calls: Calls, log: &Log) -> Holder {
    let limiter = Arc::new(Limiter::new(&LimiterSettings {
        max_concurrent: 1_000,
        requests_per_minute: None,
        tokens_per_minute: None,
        micro_dollars_per_day: calls.limit,
        longest_outage: Duration::from_mins(10),
        first_probe_after: Duration::from_secs(1),
        probe_at_least_every: Duration::from_secs(8),
    }));
    limiter.share();
    let queue = Arc::new(limiter.queue());
    let ends = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    let document: Arc<dyn SharedDocument> = Arc::clone(place) as _;
    tasks.spawn(Keeper::new(document, &limiter, name).keep());
    for _ in 0..calls.callers {
        let (queue, log, ends, place) = (
            Arc::clone(&queue),
            Arc::clone(log),
            Arc::clone(&ends),
            Arc::clone(place),
        );
        tasks.spawn(async move {
            let kind = queue.limiter().kind("one");
            let needs = Needs {
                tokens: 1,
                micro_dollars: calls.reserved,
            };
            loop {
                match queue.acquire(needs, kind).await {
                    Ok(mut permit) => {
                        log.lock().push((place.millis(), calls.cost));
                        sleep(Duration::from_millis(400)).await;
                        permit.cost(Some(calls.cost));
                        permit.finish(Report::Completed { tokens: 1 });
                    }
                    Err(Outage::DayUsedUp(day)) => {
                        ends.lock().push(day);
                        sleep(day.ends_in + Duration::from_secs(1)).await;
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
        });
    }
    Holder {
        _tasks: tasks,
        ends,
    }
}

fn spent_on(log: &Log, day: u64) -> u64 {
    let log = log.lock();
    let of_day = log.iter().filter(|(at, _)| at / DAY == day);
    of_day.map(|(_, cost)| cost).sum()
}

fn at(place: &Place, millis: u64) {
    let ahead = millis as i64 - place.millis() as i64;
    place.ahead.fetch_add(ahead, Ordering::Relaxed);
}

const CALLS: Calls = Calls {
    callers: 8,
    reserved: 900,
    cost: 300,
    limit: Some(1_000_000),
};

#[tokio::test(start_paused = true)]
async fn several_holders_spend_a_day_up_and_go_on_at_midnight() {
    let place = Place::new(5, 4, 0);
    at(&place, 20_000 * DAY - 30 * 60_000);
    let log = Log::default();
    let holders: Vec<Holder> = (0..5)
        .map(|name| start(&place, &format!("{name}"), CALLS, &log))
        .collect();
    sleep(Duration::from_mins(20)).await;
    let spent = spent_on(&log, 19_999);
    assert!(spent <= 1_000_000, "{spent}");
    assert!(spent >= 990_000, "{spent}");
    for holder in &holders {
        let ends = holder.ends.lock().clone();
        let first = ends.first().copied();
        let first = first.expect("each holder hears of it");
        assert_eq!((first.limit, first.day), (1_000_000, 19_999));
        assert!(first.left < CALLS.reserved);
        let wakes = place.millis() / DAY;
        assert_eq!(wakes, 19_999);
        assert!(first.ends_in < Duration::from_mins(30));
    }
    sleep(Duration::from_mins(30)).await;
    let spent = spent_on(&log, 20_000);
    assert!((990_000..=1_000_000).contains(&spent), "{spent}");
    assert_eq!(spent_on(&log, 20_001), 0);
    drop(holders);
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_holder_had_reserved_stays_spent() {
    let place = Place::new(5, 2, 0);
    at(&place, 20_000 * DAY);
    let log = Log::default();
    let slow = Calls {
        reserved: 400_000,
        cost: 1,
        ..CALLS
    };
    let victim = start(&place, "victim", Calls { callers: 1, ..slow }, &log);
    sleep(Duration::from_millis(700)).await;
    assert!(!log.lock().is_empty());
    drop(victim);
    let log = Log::default();
    let heir = start(&place, "heir", CALLS, &log);
    sleep(Duration::from_mins(20)).await;
    let spent = spent_on(&log, 20_000);
    // Its call in flight, and the grant for a second one that it held.
    let left = [200_000, 600_000];
    assert!(
        left.iter()
            .any(|left| (left - 10_000..=*left).contains(&spent)),
        "{spent}"
    );
    assert!(!heir.ends.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_comes_in_the_morning_does_not_take_yesterday_for_today() {
    let place = Place::new(5, 2, 0);
    at(&place, 20_000 * DAY);
    let log = Log::default();
    let first = start(&place, "first", CALLS, &log);
    sleep(Duration::from_mins(20)).await;
    assert!(!first.ends.lock().is_empty());
    drop(first);
    sleep(Duration::from_hours(30)).await;
    let log = Log::default();
    let second = start(&place, "second", CALLS, &log);
    sleep(Duration::from_secs(20)).await;
    assert!(second.ends.lock().is_empty());
    assert!(log.lock().len() > 100, "{}", log.lock().len());
}

#[tokio::test(start_paused = true)]
async fn a_holder_without_a_limit_counts_and_keeps_that_of_another() {
    let place = Place::new(5, 2, 0);
    at(&place, 20_000 * DAY);
    let log = Log::default();
    let named = start(
        &place,
        "named",
        Calls {
            callers: 1,
            ..CALLS
        },
        &log,
    );
    let unnamed = start(
        &place,
        "unnamed",
        Calls {
            limit: None,
            ..CALLS
        },
        &log,
    );
    sleep(Duration::from_mins(20)).await;
    let spent = spent_on(&log, 20_000);
    assert!((990_000..=1_000_000).contains(&spent), "{spent}");
    assert!(!named.ends.lock().is_empty() && !unnamed.ends.lock().is_empty());
}

/// What happens to a group of holders, as in the tests of the limits per minute.
#[derive(Clone, Debug)]
struct Fate {
    seed: u64,
    longest_delay: u64,
    faults: u64,
    deaths: Vec<(u64, usize)>,
    reserved: u64,
    cost: u64,
}

fn fates() -> impl Strategy<Value = Fate> {
    (
        any::<u64>(),
        prop_oneof![Just(3_u64), Just(200), Just(1_200)],
        0_u64..25,
        prop::collection::vec((200_u64..20_000, 0_usize..4), 0..6),
        100_u64..40_000,
        1_u64..100,
    )
        .prop_map(
            |(seed, longest_delay, faults, deaths, reserved, part)| Fate {
                seed,
                longest_delay,
                faults,
                deaths,
                reserved,
                cost: reserved * part / 100,
            },
        )
}

async fn live(fate: Fate) -> (u64, u64) {
    let place = Place::new(fate.seed, fate.longest_delay, fate.faults);
    at(&place, 20_000 * DAY - 90_000);
    let log = Log::default();
    let calls = Calls {
        callers: 4,
        reserved: fate.reserved,
        cost: fate.cost,
        limit: Some(400_000),
    };
    let begin = |name: usize| start(&place, &format!("{name}"), calls, &log);
    let mut holders: Vec<Holder> = (0..4).map(begin).collect();
    for (name, (after, which)) in fate.deaths.iter().enumerate() {
        sleep(Duration::from_millis(*after)).await;
        holders[*which] = begin(4 + name);
    }
    sleep(Duration::from_mins(5)).await;
    let late = {
        // A turn at the beginning of a day may count for the day before.
        let log = log.lock();
        let settled = log.iter().filter(|(at, _)| *at > 20_000 * DAY + 8_000);
        settled.map(|(_, cost)| cost).sum()
    };
    (spent_on(&log, 19_999), late)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_fate_leads_above_the_cost_of_a_day(fate in fates()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (yesterday, today) = runtime.block_on(live(fate));
        prop_assert!(yesterday <= 400_000, "{yesterday}");
        prop_assert!(today <= 400_000, "{today}");
        prop_assert!(today > 0 || yesterday > 0);
    }
}
