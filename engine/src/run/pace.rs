//! Measures how long rollouts take, and decides whether they need a task of their own.

/// Seconds below which the run's own task makes a call, because another task would cost more time.
const INSTANT_SECONDS: f64 = 5e-6;

/// The weight of one rollout in the recent mean.
const WEIGHT: f64 = 1.0 / 64.0;

/// The times rollouts took.
#[derive(Debug, Default)]
pub(super) struct Pace {
    seconds: f64,
    rollouts: u64,
    /// The recent mean, in seconds; `None` before the first rollout.
    recent: Option<f64>,
}

impl Pace {
    /// Adds the time of a rollout.
    pub(super) fn note(&mut self, seconds: f64) {
        self.seconds += seconds;
        self.rollouts += 1;
        let recent = self.recent.unwrap_or(seconds);
        self.recent = Some(recent + (seconds - recent) * WEIGHT);
    }

    /// The mean time of a rollout, in seconds.
    pub(super) fn mean_seconds(&self) -> f64 {
        if self.rollouts == 0 {
            0.0
        } else {
            self.seconds / self.rollouts as f64
        }
    }

    /// Whether recent rollouts took almost no time.
    pub(super) fn is_instant(&self) -> bool {
        self.recent.is_some_and(|recent| recent < INSTANT_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(seconds: f64) -> Pace {
        let mut pace = Pace::default();
        for _ in 0..1_000 {
            pace.note(seconds);
        }
        pace
    }

    #[test]
    fn only_rollouts_that_take_next_to_no_time_are_instant() {
        assert!(!Pace::default().is_instant());
        assert!(!pace(2.0).is_instant());
        assert!(!pace(20e-6).is_instant());
        assert!(pace(1e-6).is_instant());
    }

    #[test]
    fn one_that_takes_long_ends_that_for_a_while() {
        let mut pace = pace(1e-6);
        pace.note(0.1);
        for _ in 0..200 {
            assert!(!pace.is_instant());
            pace.note(1e-6);
        }
        for _ in 0..600 {
            pace.note(1e-6);
        }
        assert!(pace.is_instant());
    }
}
