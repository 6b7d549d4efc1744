//! A limit on the sum of amounts within any 60 seconds.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

const WINDOW: Duration = Duration::from_mins(1);

/// Amounts within this time are kept as one entry, so a window has at most 241 entries.
const GRAIN: Duration = Duration::from_millis(250);

/// Sums amounts over the last minute. The limit holds for every window of a minute. A token bucket
/// would let up to twice its limit through in a minute that follows a quiet one.
#[derive(Debug)]
pub(super) struct MinuteWindow {
    limit: u64,
    used: u64,
    entries: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    opened: Instant,
    amount: u64,
}

impl Entry {
    /// When every amount in it is older than a minute.
    fn expires(&self) -> Instant {
        self.opened + GRAIN + WINDOW
    }
}

impl MinuteWindow {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit: limit.max(1),
            used: 0,
            entries: VecDeque::new(),
        }
    }

    pub(super) fn tighten(&mut self, limit: u64) {
        self.limit = self.limit.min(limit.max(1));
    }

    /// When `amount` fits; `None` if it fits now. An amount above the limit fits into an empty
    /// window.
    pub(super) fn fits_at(&mut self, amount: u64, now: Instant) -> Option<Instant> {
        self.expire(now);
        let allowed = self.limit - amount.min(self.limit);
        let mut used = self.used;
        if used <= allowed {
            return None;
        }
        for entry in &self.entries {
            used -= entry.amount;
            if used <= allowed {
                return Some(entry.expires());
            }
        }
        None
    }

    /// Adds `amount` and returns the start of the entry that holds it.
    pub(super) fn add(&mut self, amount: u64, now: Instant) -> Instant {
        self.used = self.used.saturating_add(amount);
        match self.entries.back_mut() {
            Some(last) if now < last.opened + GRAIN => {
                last.amount = last.amount.saturating_add(amount);
                last.opened
            }
            _ => {
                self.entries.push_back(Entry {
                    opened: now,
                    amount,
                });
                now
            }
        }
    }

    /// Replaces the estimated amount in `entry` by the actual one.
    pub(super) fn correct(&mut self, entry: Instant, estimated: u64, actual: u64, now: Instant) {
        if actual > estimated {
            self.add(actual - estimated, now);
            return;
        }
        let found = self.entries.iter_mut().find(|kept| kept.opened == entry);
        if let Some(kept) = found {
            let surplus = (estimated - actual).min(kept.amount);
            kept.amount -= surplus;
            self.used -= surplus;
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some(first) = self.entries.front() {
            if first.expires() > now {
                return;
            }
            self.used = self.used.saturating_sub(first.amount);
            self.entries.pop_front();
        }
    }
}
