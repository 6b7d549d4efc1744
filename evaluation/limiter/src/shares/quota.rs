//! One holder's side of a shared limit: what it may still use of its grant, and what it has used.

use std::time::Duration;

use tokio::time::Instant;

use super::{Amount, Demand, Grant, Learned, SharedLimits, Signs};

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
    /// Tokens that a call reserves.
    typical: f64,
    /// Calls that went out since the last turn.
    recent: u64,
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
}

/// What a holder reports when it closes its grant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) used: Option<(u64, Amount)>,
    pub(crate) returned: Vec<(u64, u64)>,
    pub(crate) excess: u64,
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
            typical: 0.0,
            recent: 0,
        }
    }

    pub(crate) fn tighten(&mut self, limits: SharedLimits) {
        self.limits = limits;
    }

    /// Whether a call that reserves `tokens` may go out, with `in_flight` calls in flight.
    pub(crate) fn allows(&self, tokens: u64, in_flight: u64, now: Instant) -> bool {
        let Some(held) = self.held.filter(|held| now < held.until) else {
            return false;
        };
        in_flight < self.concurrent
            && (self.limits.requests.is_none() || held.left.requests > 0)
            && (self.limits.tokens.is_none() || held.left.tokens >= self.counted(tokens))
    }

    pub(crate) fn take(&mut self, tokens: u64) -> Option<Taken> {
        let tokens = self.counted(tokens);
        let weight = if self.typical > 0.0 { NEWS } else { 1.0 };
        self.typical += (tokens as f64 - self.typical) * weight;
        self.recent += 1;
        let held = self.held.as_mut()?;
        held.left.requests = held.left.requests.saturating_sub(1);
        held.left.tokens = held.left.tokens.saturating_sub(tokens);
        held.used.requests += 1;
        held.used.tokens += tokens;
        Some(Taken {
            number: held.number,
            tokens,
        })
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
    pub(crate) fn close(&mut self, waiting: u64, first: u64, in_flight: u64) -> Report {
        // As many calls are likely to come until the next turn as came since the last one.
        let expected = waiting + std::mem::take(&mut self.recent);
        let first = if waiting > 0 { self.counted(first) } else { 0 };
        let typical = self.typical.max(first as f64);
        Report {
            used: self.held.take().map(|held| (held.number, held.used)),
            returned: std::mem::take(&mut self.returned),
            excess: std::mem::take(&mut self.excess),
            demand: Demand {
                requests: expected,
                tokens: (typical * expected as f64).ceil() as u64,
                first,
                in_flight,
            },
            signs: Signs::default(),
        }
    }

    pub(crate) fn open(&mut self, number: u64, grant: &Grant, until: Instant) {
        self.concurrent = grant.concurrent;
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
