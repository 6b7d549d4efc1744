//! The configured limits per minute: kept in every window of a minute, and spread evenly over it.

use tokio::time::Instant;

use super::pace::Pace;
use super::window::MinuteWindow;

/// Smallest burst of requests, unless the limit of the minute is lower.
const SMALLEST_BURST: u64 = 8;

/// Smallest burst of tokens, unless a quarter of the limit is lower.
const SMALLEST_TOKEN_BURST: u64 = 4_000;

/// Weight of one finished call in the running mean of tokens per call.
const CALL_WEIGHT: f64 = 0.1;

/// A limit on requests a minute.
#[derive(Debug)]
pub(super) struct RequestQuota {
    limit: u64,
    window: MinuteWindow,
    pace: Pace,
}

/// A limit on tokens a minute. In the window a call counts with the most it may use. In the pace it
/// counts with what calls typically use: the full reservations of the calls in flight would slow
/// the pace down several times over.
#[derive(Debug)]
pub(super) struct TokenQuota {
    limit: u64,
    window: MinuteWindow,
    pace: Pace,
    typical: f64,
}

/// What one call has reserved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reserved {
    tokens: u64,
    entry: Instant,
    paced: f64,
}

impl RequestQuota {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            window: MinuteWindow::new(limit),
            pace: Pace::new(limit, SMALLEST_BURST.min(limit)),
        }
    }

    pub(super) fn tighten(&mut self, limit: u64) {
        if limit < self.limit {
            self.limit = limit;
            self.window.tighten(limit);
            self.pace = Pace::new(limit, SMALLEST_BURST.min(limit));
        }
    }

    /// When one more request may go out; `None` if it may now.
    pub(super) fn opens_at(&mut self, now: Instant) -> Option<Instant> {
        self.window
            .fits_at(1, now)
            .max(self.pace.opens_at(1.0, now))
    }

    pub(super) fn take(&mut self, now: Instant) {
        self.window.add(1, now);
        self.pace.take(1.0, now);
    }
}

impl TokenQuota {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            window: MinuteWindow::new(limit),
            pace: Pace::new(limit, SMALLEST_TOKEN_BURST.min(limit / 4)),
            typical: 0.0,
        }
    }

    pub(super) fn tighten(&mut self, limit: u64) {
        if limit < self.limit {
            self.limit = limit;
            self.window.tighten(limit);
            self.pace = Pace::new(limit, SMALLEST_TOKEN_BURST.min(limit / 4));
        }
    }

    /// When a call that reserves `tokens` may go out; `None` if it may now.
    pub(super) fn opens_at(&mut self, tokens: u64, now: Instant) -> Option<Instant> {
        let paced = self.paced(tokens);
        self.window
            .fits_at(tokens, now)
            .max(self.pace.opens_at(paced, now))
    }

    pub(super) fn take(&mut self, tokens: u64, now: Instant) -> Reserved {
        let paced = self.paced(tokens);
        self.pace.take(paced, now);
        Reserved {
            tokens,
            entry: self.window.add(tokens, now),
            paced,
        }
    }

    /// Replaces the tokens a call reserved by the tokens it used.
    pub(super) fn settle(&mut self, reserved: Reserved, used: u64, now: Instant) {
        self.window
            .correct(reserved.entry, reserved.tokens, used, now);
        self.pace.take(used as f64 - reserved.paced, now);
        if used > 0 {
            let surprise = used as f64 - self.typical;
            let weight = if self.typical > 0.0 { CALL_WEIGHT } else { 1.0 };
            self.typical += surprise * weight;
        }
    }

    fn paced(&self, tokens: u64) -> f64 {
        self.typical.min(tokens as f64)
    }
}
