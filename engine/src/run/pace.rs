//! How long rollouts take, and how many may share a task for it.

/// Seconds that rollouts sharing a task may take together, as far as can be foreseen. Less work than
/// this is not worth another task, let alone waking another thread for it.
const SHARED_SECONDS: f64 = 25e-6;

/// Rollouts that share a task at most.
const MOST_SHARED: usize = 64;

/// What one rollout weighs in the recent mean.
const WEIGHT: f64 = 1.0 / 64.0;

/// The times rollouts took.
#[derive(Debug, Default)]
pub(super) struct Pace {
    seconds: f64,
    rollouts: u64,
    /// Mean seconds of late; `None` before the first.
    recent: Option<f64>,
}

impl Pace {
    /// Takes the time of a rollout in.
    pub(super) fn note(&mut self, seconds: f64) {
        self.seconds += seconds;
        self.rollouts += 1;
        let recent = self.recent.unwrap_or(seconds);
        self.recent = Some(recent + (seconds - recent) * WEIGHT);
    }

    /// Seconds a rollout took on average.
    pub(super) fn mean_seconds(&self) -> f64 {
        if self.rollouts == 0 {
            0.0
        } else {
            self.seconds / self.rollouts as f64
        }
    }

    /// How many rollouts may share a task: one, unless they take next to no time.
    pub(super) fn share(&self) -> usize {
        let Some(recent) = self.recent else {
            return 1;
        };
        let in_time = (SHARED_SECONDS / recent.max(1e-9)) as usize;
        in_time.clamp(1, MOST_SHARED)
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
    fn rollouts_that_take_time_have_tasks_of_their_own() {
        assert_eq!(Pace::default().share(), 1);
        assert_eq!(pace(2.0).share(), 1);
        assert_eq!(pace(20e-6).share(), 1);
    }

    #[test]
    fn rollouts_that_take_next_to_none_share_a_task_as_long_as_it_stays_short() {
        assert_eq!(pace(10e-6).share(), 2);
        assert_eq!(pace(0.99e-6).share(), 25);
        assert_eq!(pace(0.0).share(), MOST_SHARED);
    }

    #[test]
    fn one_that_takes_long_ends_the_sharing_for_a_while() {
        let mut pace = pace(1e-6);
        pace.note(0.1);
        for _ in 0..200 {
            assert_eq!(pace.share(), 1);
            pace.note(1e-6);
        }
        for _ in 0..400 {
            pace.note(1e-6);
        }
        assert!(pace.share() > 1);
    }
}
