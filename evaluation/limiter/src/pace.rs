//! Spreads what a minute allows over the minute.

use std::time::Duration;

use tokio::time::Instant;

const SECONDS_IN_MINUTE: f64 = 60.0;

/// A configured minute limit is used up evenly but for a burst of this many seconds' worth: providers
/// refill theirs continuously and grant only a few seconds' worth at once.
const BURST_SECONDS: f64 = 2.0;

/// Fills evenly, up to a burst. Amounts beyond the burst go out when it is full, and are made up for
/// afterwards.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: f64,
    burst: f64,
    credit: f64,
    counted_at: Option<Instant>,
}

impl Pace {
    /// `smallest_burst` may always go out at once, as far as the limit allows.
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

    /// When `amount` may go out; `None` for now.
    pub(super) fn opens_at(&mut self, amount: f64, now: Instant) -> Option<Instant> {
        self.count(now);
        let missing = amount.min(self.burst) - self.credit;
        (missing > 0.0).then(|| {
            let wait = (missing / self.per_second).clamp(1e-6, 3_600.0);
            now + Duration::from_secs_f64(wait)
        })
    }

    /// Uses `amount`, or gives it back where it is negative.
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
