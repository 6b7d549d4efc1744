//! A limit per minute that is refilled continuously, as hosted providers do.

use std::time::Duration;

/// Refills continuously, up to some seconds' worth.
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

    /// Sets another limit from now on. The saved amount stays, up to the new burst.
    pub(super) fn change(&mut self, per_minute: u64, burst_seconds: f64) {
        let level = self.level;
        *self = Self::new(per_minute, burst_seconds);
        self.level = self.level.min(level);
    }

    pub(super) fn refill(&mut self, passed: Duration) {
        self.level = (self.level + self.per_second * passed.as_secs_f64()).min(self.most);
    }

    /// Time until `amount` is available. An amount above a full bucket counts as a full bucket.
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
