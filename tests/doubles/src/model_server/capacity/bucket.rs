//! A limit on how much a minute, as hosted providers keep it: continuously refilled.

use std::time::Duration;

/// Refills all the time, up to some seconds' worth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    per_second: f64,
    most: f64,
    level: f64,
}

impl Bucket {
    pub(super) fn new(per_minute: u64, burst_seconds: f64) -> Self {
        let per_second = per_minute as f64 / 60.0;
        let most = (per_second * burst_seconds).max(1.0);
        Self {
            per_second,
            most,
            level: most,
        }
    }

    /// Another limit from now on; what was saved stays, as far as it fits.
    pub(super) fn change(&mut self, per_minute: u64, burst_seconds: f64) {
        let level = self.level;
        *self = Self::new(per_minute, burst_seconds);
        self.level = self.level.min(level);
    }

    pub(super) fn refill(&mut self, passed: Duration) {
        self.level = (self.level + self.per_second * passed.as_secs_f64()).min(self.most);
    }

    /// How long until `amount` is there; nothing is more than a full bucket.
    pub(super) fn until(&self, amount: f64) -> Duration {
        let missing = amount.min(self.most) - self.level;
        if missing <= 0.0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64((missing / self.per_second).min(1e6))
    }

    pub(super) fn take(&mut self, amount: f64) {
        self.level -= amount;
    }
}
