//! A day in UTC: what closed grants have cost, and what a holder sees of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const DAY_MILLIS: u64 = 86_400_000;

/// What closed grants have cost on a day, in millionths of a dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Day {
    /// Days since 1970-01-01.
    pub(super) number: u64,
    pub(super) spent: u64,
    /// The limit that was named last on this day. It holds for holders that name none, also when the holder that
    /// named it has gone.
    limit: Option<u64>,
}

/// The cost of a day, as a holder sees it. Amounts are in millionths of a dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayView {
    /// Days since 1970-01-01.
    pub number: u64,
    /// What all holders may spend on it.
    pub limit: Option<u64>,
    /// What is not spent yet. A part of it may be in use.
    pub left: u64,
    /// Whether it is too little for the holder's first call, and nothing will come back.
    pub is_used_up: bool,
    /// Time until the next day begins.
    pub ends_in: Duration,
}

impl Day {
    /// Goes on to the day of `now`, and never back.
    pub(super) fn begin(&mut self, now: u64) {
        let today = now / DAY_MILLIS;
        if today > self.number {
            *self = Self {
                number: today,
                ..Self::default()
            };
        }
    }

    /// The limit in force, where holders that are present name this one.
    pub(super) fn agree(&mut self, named: Option<u64>) -> Option<u64> {
        self.limit = named.or(self.limit);
        self.limit
    }

    /// Milliseconds until the next day begins.
    pub(super) fn left(&self, now: u64) -> u64 {
        let next = self.number.saturating_add(1).saturating_mul(DAY_MILLIS);
        next.saturating_sub(now)
    }
}
