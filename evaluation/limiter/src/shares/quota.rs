//! One holder's side of a shared limit: what it may still use of its grant, and what it has used.

use std::time::Duration;

use tokio::time::Instant;

use super::super::terms::{Needs, UsedUp};
use super::{Amount, DayView, Demand, Grant, Learned, SharedLimits, Signs};

/// How fast the typical reservation of a call follows those of now.
const NEWS: f64 = 0.1;

/// The grant that a limiter uses.
#[derive(Debug)]
pub(crate) struct SharedQuota {
    limits: SharedLimits,
    held: Option<Held>,
    concurrent: u64,
    /// Tokens that calls of earlier grants did not use, by grant.
    returned: Vec<(u64, u64)>,
    excess: u64,
    /// Costs that calls reserved and did not cause, by day; and those beyond reservations.
    returned_costs: Vec<(u64, u64)>,
    excess_cost: u64,
    /// Tokens that a call reserves, and its cost.
    typical: f64,
    typical_cost: f64,
    /// Calls that went out since the last turn.
    recent: u64,
    /// The cost of the day at the last turn, and when the day ends.
    day: DayView,
    day_ends: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    number: u64,
    left: Amount,
    used: Amount,
    until: Instant,
}

/// What a call took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    number: u64,
    tokens: u64,
    micro_dollars: u64,
    day: u64,
}

/// What a holder reports when it closes its grant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) used: Option<(u64, Amount)>,
    pub(crate) returned: Vec<(u64, u64)>,
    pub(crate) excess: u64,
    pub(crate) returned_costs: Vec<(u64, u64)>,
    pub(crate) excess_cost: u64,
    pub(crate) demand: Demand,
    pub(crate) signs: Signs,
}

impl SharedQuota {
    pub(crate) fn new(limits: SharedLimits) -> Self {
        Self {
            limits,
            held: None,
            concurrent: 0,
            returned: Vec::new(),
            excess: 0,
            returned_costs: Vec::new(),
            excess_cost: 0,
            typical: 0.0,
            typical_cost: 0.0,
            recent: 0,
            day: DayView::default(),
            day_ends: None,
        }
    }

    pub(crate) fn tighten(&mut self, limits: SharedLimits) {
        self.limits = limits;
    }

    /// The limit on the cost of the day, if it is used up.
    pub(crate) fn used_up(&self, now: Instant) -> Option<UsedUp> {
        let ends = self.day_ends.filter(|ends| now < *ends)?;
        let limit = self.day.limit.filter(|_| self.day.is_used_up)?;
        Some(UsedUp {
            limit,
            left: self.day.left,
            day: self.day.number,
            ends_in: ends - now,
        })
    }

    /// Whether a call that reserves `needs` may go out, with `in_flight` calls in flight.
    pub(crate) fn allows(&self, needs: Needs, in_flight: u64, now: Instant) -> bool {
        let Some(held) = self.held.filter(|held| now < held.until) else {
            return false;
        };
        in_flight < self.concurrent
            && (self.limits.requests.is_none() || held.left.requests > 0)
            && (self.limits.tokens.is_none() || held.left.tokens >= self.counted(needs.tokens))
            && (self.day.limit.is_none() || held.left.micro_dollars >= needs.micro_dollars)
    }

    pub(crate) fn take(&mut self, needs: Needs) -> Option<Taken> {
        let tokens = self.counted(needs.tokens);
        let cost = needs.micro_dollars;
        let weight = |typical: f64| if typical > 0.0 { NEWS } else { 1.0 };
        self.typical += (tokens as f64 - self.typical) * weight(self.typical);
        self.typical_cost += (cost as f64 - self.typical_cost) * weight(self.typical_cost);
        self.recent += 1;
        let held = self.held.as_mut()?;
        held.left.requests = held.left.requests.saturating_sub(1);
        held.left.tokens = held.left.tokens.saturating_sub(tokens);
        held.used.requests += 1;
        held.used.tokens += tokens;
        held.left.micro_dollars = held.left.micro_dollars.saturating_sub(cost);
        held.used.micro_dollars += cost;
        Some(Taken {
            number: held.number,
            tokens,
            micro_dollars: cost,
            day: self.day.number,
        })
    }

    /// Replaces the cost that a call reserved by what it cost.
    pub(crate) fn settle_cost(&mut self, taken: Taken, cost: u64) {
        if cost > taken.micro_dollars {
            self.excess_cost += cost - taken.micro_dollars;
            return;
        }
        let surplus = taken.micro_dollars - cost;
        match &mut self.held {
            Some(held) if held.number == taken.number => {
                held.left.micro_dollars += surplus;
                held.used.micro_dollars = held.used.micro_dollars.saturating_sub(surplus);
            }
            _ if surplus > 0 => self.returned_costs.push((taken.day, surplus)),
            _ => {}
        }
    }

    /// Replaces what a call reserved by what it used.
    pub(crate) fn settle(&mut self, taken: Taken, used: u64) {
        if self.limits.tokens.is_none() {
            return;
        }
        if used > taken.tokens {
            self.excess += used - taken.tokens;
            return;
        }
        let surplus = taken.tokens - used;
        match &mut self.held {
            Some(held) if held.number == taken.number => {
                held.left.tokens += surplus;
                held.used.tokens = held.used.tokens.saturating_sub(surplus);
            }
            _ if surplus > 0 => self.returned.push((taken.number, surplus)),
            _ => {}
        }
    }

    /// Stops using the grant.
    pub(crate) fn close(&mut self, waiting: u64, needs: Needs, in_flight: u64) -> Report {
        // As many calls are likely to come until the next turn as came since the last one.
        let expected = waiting + std::mem::take(&mut self.recent);
        let needs = if waiting > 0 { needs } else { Needs::default() };
        let first = self.counted(needs.tokens);
        let typical = self.typical.max(first as f64);
        let typical_cost = self.typical_cost.max(needs.micro_dollars as f64);
        Report {
            used: self.held.take().map(|held| (held.number, held.used)),
            returned: std::mem::take(&mut self.returned),
            excess: std::mem::take(&mut self.excess),
            returned_costs: std::mem::take(&mut self.returned_costs),
            excess_cost: std::mem::take(&mut self.excess_cost),
            demand: Demand {
                requests: expected,
                tokens: (typical * expected as f64).ceil() as u64,
                first,
                in_flight,
                micro_dollars: (typical_cost * expected as f64).ceil() as u64,
                first_cost: needs.micro_dollars,
            },
            signs: Signs::default(),
        }
    }

    pub(crate) fn open(&mut self, number: u64, grant: &Grant, until: Instant, now: Instant) {
        self.concurrent = grant.concurrent;
        self.day = grant.day;
        self.day_ends = Some(now + grant.day.ends_in);
        self.held = Some(Held {
            number,
            left: grant.amount,
            used: Amount::default(),
            until,
        });
    }

    /// A call above the whole limit counts as the whole limit.
    fn counted(&self, tokens: u64) -> u64 {
        self.limits
            .tokens
            .map_or(0, |limit| tokens.min(limit.max(1)))
    }
}

/// What a limiter says when it closes its grant.
pub(crate) struct Closed {
    pub(crate) report: Report,
    pub(crate) limits: SharedLimits,
    pub(crate) learned: Learned,
    /// What is left of a pause that the provider requested.
    pub(crate) pause: Option<Duration>,
}
