//! The wait before another attempt.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How fast failed attempts follow each other. The defaults suit real providers; tests shorten them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryTiming {
    /// The longest wait before the second attempt; doubles with each further one.
    pub first_backoff: Duration,
    /// The longest wait before any attempt.
    pub longest_backoff: Duration,
    /// How long the circuit breaker waits before its first probe; doubles with each failed one.
    pub first_probe_after: Duration,
    /// The longest wait between two probes.
    pub probe_at_least_every: Duration,
}

impl Default for RetryTiming {
    fn default() -> Self {
        Self {
            first_backoff: Duration::from_millis(500),
            longest_backoff: Duration::from_secs(30),
            first_probe_after: Duration::from_secs(1),
            probe_at_least_every: Duration::from_secs(15),
        }
    }
}

/// Exponential backoff with full jitter: any wait from zero to the current ceiling is as likely, so
/// that calls which failed together do not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    timing: RetryTiming,
    state: AtomicU64,
}

impl Backoff {
    /// Waits that differ from process to process. They only decide when a call is sent.
    pub(super) fn new(timing: RetryTiming) -> Self {
        Self::seeded(timing, RandomState::new().build_hasher().finish())
    }

    pub(super) fn seeded(timing: RetryTiming, seed: u64) -> Self {
        Self {
            timing,
            state: AtomicU64::new(seed),
        }
    }

    /// The wait after `failed_attempts` failed attempts in a row.
    pub(super) fn wait(&self, failed_attempts: u32) -> Duration {
        let doublings = failed_attempts.saturating_sub(1).min(31);
        let grown = self.timing.first_backoff.saturating_mul(1 << doublings);
        let ceiling = grown.min(self.timing.longest_backoff);
        ceiling.mul_f64(self.unit())
    }

    /// The next number in `[0, 1)` of a `SplitMix64` sequence, which any number of threads may share.
    fn unit(&self) -> f64 {
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut word = self
            .state
            .fetch_add(GOLDEN, Ordering::Relaxed)
            .wrapping_add(GOLDEN);
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^= word >> 31;
        (word >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_under_a_doubling_ceiling_and_use_all_of_it() {
        let backoff = Backoff::seeded(RetryTiming::default(), 7);
        for (failed, ceiling_millis) in
            [(1, 500), (2, 1_000), (4, 4_000), (7, 30_000), (99, 30_000)]
        {
            let waits: Vec<u128> = (0..2_000)
                .map(|_| backoff.wait(failed).as_millis())
                .collect();
            let longest = waits.iter().copied().max().unwrap();
            let shortest = waits.iter().copied().min().unwrap();
            assert!(longest < ceiling_millis, "{failed}: {longest}");
            assert!(longest > ceiling_millis * 9 / 10, "{failed}: {longest}");
            assert!(shortest < ceiling_millis / 10, "{failed}: {shortest}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_waits() {
        let waits = |seed| {
            let backoff = Backoff::seeded(RetryTiming::default(), seed);
            (1..9)
                .map(|failed| backoff.wait(failed))
                .collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
