//! The provider as a function of its calls and the time, with its own books.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tokio::time::Instant;

use super::bucket::Bucket;
use super::plan::{CapacityPlan, Demand, Overload, Period};

/// Served calls are counted in bins of this length.
const BIN: Duration = Duration::from_millis(250);

/// What a provider does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It answers after this time.
    Served {
        /// The sum of waiting and serving.
        after: Duration,
    },
    /// It refuses the call at once.
    Refused {
        /// The status.
        status: u16,
        /// Seconds in the `Retry-After` header.
        retry_after: Option<u64>,
    },
    /// It resets the connection.
    Down,
}

/// What happened during one period.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeriodBooks {
    /// Calls that were answered in it.
    pub served: u64,
    /// Calls that were refused in it.
    pub refused: u64,
    /// Calls whose connection was reset in it.
    pub reset: u64,
    /// Tokens of the calls answered.
    pub tokens: u64,
    /// Seconds that calls spent waiting or being served, summed over all calls.
    pub busy_seconds: f64,
    /// Calls answered in each quarter of a second.
    pub bins: Vec<u32>,
}

/// The state of a provider. It never reads the clock.
#[derive(Debug)]
pub struct Capacity {
    plan: CapacityPlan,
    started: Option<Instant>,
    looked: Option<Instant>,
    in_force: Option<Period>,
    active: usize,
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    /// When each place is free again; used if calls queue.
    places: BinaryHeap<Reverse<Instant>>,
    books: Vec<PeriodBooks>,
}

impl Capacity {
    /// A provider before its first call.
    pub fn new(plan: CapacityPlan) -> Self {
        Self {
            books: vec![PeriodBooks::default(); plan.periods.len()],
            plan,
            started: None,
            looked: None,
            in_force: None,
            active: 0,
            requests: None,
            tokens: None,
            places: BinaryHeap::new(),
        }
    }

    /// The provider's plan.
    pub fn plan(&self) -> &CapacityPlan {
        &self.plan
    }

    /// What happened in each period so far.
    pub fn books(&self) -> &[PeriodBooks] {
        &self.books
    }

    /// A call arrives. If it is not served, it has ended.
    pub fn arrives(&mut self, demand: Demand, now: Instant) -> Verdict {
        let (place, period) = self.look(now);
        let verdict = self.judge(demand, period, now);
        if let Some(books) = place.and_then(|place| self.books.get_mut(place)) {
            books.refused += u64::from(matches!(verdict, Verdict::Refused { .. }));
            books.reset += u64::from(verdict == Verdict::Down);
        }
        verdict
    }

    /// A served call ends. `tokens` is `None` if the caller hung up.
    pub fn ends(&mut self, tokens: Option<u64>, now: Instant) {
        let (place, _) = self.look(now);
        self.active = self.active.saturating_sub(1);
        let since_start = self.since_start(now);
        if let (Some(place), Some(tokens)) = (place, tokens) {
            let begins: Duration = self.plan.periods[..place].iter().map(|p| p.lasts).sum();
            let books = &mut self.books[place];
            books.served += 1;
            books.tokens += tokens;
            let bin =
                (since_start.saturating_sub(begins).as_secs_f64() / BIN.as_secs_f64()) as usize;
            if books.bins.len() <= bin {
                books.bins.resize(bin + 1, 0);
            }
            books.bins[bin] += 1;
        }
    }

    /// Time until a call could be served; `None` if not before another call has ended.
    pub(super) fn opens_in(&mut self, demand: Demand, now: Instant) -> Option<Duration> {
        let (_, period) = self.look(now);
        if self.active >= period.concurrent {
            return None;
        }
        let requests = self
            .requests
            .map_or(Duration::ZERO, |bucket| bucket.until(1.0));
        let tokens = self
            .tokens
            .map_or(Duration::ZERO, |bucket| bucket.until(demand.tokens as f64));
        Some(requests.max(tokens))
    }

    /// Time until the next period begins; `None` in the last one.
    pub(super) fn changes_in(&self, now: Instant) -> Option<Duration> {
        let since_start = self.since_start(now);
        let mut ends = Duration::ZERO;
        self.plan.periods.iter().find_map(|period| {
            ends += period.lasts;
            (ends > since_start).then(|| ends.saturating_sub(since_start))
        })
    }

    fn since_start(&self, now: Instant) -> Duration {
        self.started.map_or(Duration::ZERO, |started| {
            now.saturating_duration_since(started)
        })
    }

    /// Advances the state to `now`, period by period. Returns the period in force.
    fn look(&mut self, now: Instant) -> (Option<usize>, Period) {
        let started = *self.started.get_or_insert(now);
        let mut from = self.looked.unwrap_or(now);
        loop {
            let (place, period) = self.plan.at(from.saturating_duration_since(started));
            if self.in_force != Some(period) {
                self.in_force = Some(period);
                let burst = self.plan.burst_seconds;
                changed(&mut self.requests, period.requests_per_minute, burst);
                changed(&mut self.tokens, period.tokens_per_minute, burst);
            }
            let ends = self.changes_in(from).map(|wait| from + wait);
            let until = ends.map_or(now, |ends| ends.min(now));
            let passed = until.saturating_duration_since(from);
            for bucket in [&mut self.requests, &mut self.tokens].into_iter().flatten() {
                bucket.refill(passed);
            }
            if let Some(books) = place.and_then(|place| self.books.get_mut(place)) {
                books.busy_seconds += self.active as f64 * passed.as_secs_f64();
            }
            if ends.is_none_or(|ends| ends > now) {
                self.looked = Some(now);
                return (place, period);
            }
            from = until;
        }
    }

    fn judge(&mut self, demand: Demand, period: Period, now: Instant) -> Verdict {
        if period.concurrent == 0 {
            return Verdict::Down;
        }
        let (status, retry_after) = match self.plan.overload {
            Overload::Refuse {
                status,
                retry_after,
            } => (status, retry_after),
            Overload::Queue => (429, None),
        };
        let refused = Verdict::Refused {
            status,
            retry_after,
        };
        let tokens = demand.tokens as f64;
        let is_granted = self
            .requests
            .is_none_or(|bucket| bucket.until(1.0).is_zero())
            && self
                .tokens
                .is_none_or(|bucket| bucket.until(tokens).is_zero());
        let waits = self.plan.overload == Overload::Queue;
        if !is_granted || !waits && self.active >= period.concurrent {
            return refused;
        }
        for (bucket, amount) in [(&mut self.requests, 1.0), (&mut self.tokens, tokens)] {
            if let Some(bucket) = bucket {
                bucket.take(amount);
            }
        }
        self.active += 1;
        if !waits {
            return Verdict::Served {
                after: demand.service,
            };
        }
        while self.places.len() > period.concurrent {
            self.places.pop();
        }
        let free_at = if self.places.len() < period.concurrent {
            now
        } else {
            self.places
                .pop()
                .map_or(now, |Reverse(free_at)| free_at.max(now))
        };
        let done_at = free_at + demand.service;
        self.places.push(Reverse(done_at));
        Verdict::Served {
            after: done_at - now,
        }
    }
}

fn changed(bucket: &mut Option<Bucket>, per_minute: Option<u64>, burst_seconds: f64) {
    match (bucket.as_mut(), per_minute) {
        (Some(kept), Some(limit)) => kept.change(limit, burst_seconds),
        (_, limit) => *bucket = limit.map(|limit| Bucket::new(limit, burst_seconds)),
    }
}
