//! Spreads the amount allowed per minute evenly over the minute.

use std::time::Duration;

use tokio::time::Instant;

const SECONDS_IN_MINUTE: f64 = 60.0;

/// Size of a burst, in seconds of the even rate. Providers refill their own limits continuously and
/// grant only a few seconds' worth at once.
const BURST_SECONDS: f64 = 2.0;

/// A credit that grows evenly up to one burst. An amount above the burst goes out when the credit
/// is full; the credit is then negative, and later amounts wait until it has grown back.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: f64,
    burst: f64,
    credit: f64,
    counted_at: Option<Instant>,
}

impl Pace {
    /// The burst is [`BURST_SECONDS`] of the even rate, and at least `smallest_burst`.
    pub(super) fn new(per_minute: u64, smallest_burst: u64) -> Self {
        let per_second = per_minute.max(1) as f64 / SECONDS_IN_MINUTE;
        let burst = (per_second * BURST_SECONDS).max(smallest_burst as f64);
        Self {
            per_second,
            burst,
            credit: burst,
            counted_at: None,
        }
    }

    /// When `amount` may go out; `None` if it may now.
    pub(super) fn opens_at(&mut self, amount: f64, now: Instant) -> Option<Instant> {
        self.count(now);
        let missing = amount.min(self.burst) - self.credit;
        (missing > 0.0).then(|| {
            let wait = (missing / self.per_second).clamp(1e-6, 3_600.0);
            now + Duration::from_secs_f64(wait)
        })
    }

    /// Takes `amount` from the credit; a negative amount is added to it.
    pub(super) fn take(&mut self, amount: f64, now: Instant) {
        self.count(now);
        self.credit = (self.credit - amount).min(self.burst);
    }

    fn count(&mut self, now: Instant) {
        let since = self.counted_at.unwrap_or(now);
        let passed = now.saturating_duration_since(since).as_secs_f64();
        self.credit = (self.credit + passed * self.per_second).min(self.burst);
        self.counted_at = Some(now);
    }
}
