//! Limits the number of progress and candidate events. At first all are sent, later fewer, so that
//! the last event of a usual run has a number below 1,000.

use gepa_engine::Timestamp;

/// The first 60 progress events come at one a second at most. After each further 30 the interval
/// doubles, up to 300 seconds.
const FIRST: u32 = 60;
const PER_STEP: u32 = 30;
const LONGEST_SECONDS: f64 = 300.0;

/// The first 100 candidates get all their events.
const COMPLETE: u64 = 100;
/// Up to candidate 1,000 every 10th candidate gets events,
const SPARSE: u64 = 10;
/// and beyond it every 100th.
const MANY: u64 = 1_000;
const SPARSER: u64 = 100;

/// Number of progress events so far, and journal time of the last one.
#[derive(Debug, Default)]
pub(super) struct ProgressPace {
    reported: u32,
    last: Option<Timestamp>,
}

impl ProgressPace {
    /// Whether a progress event is due. If so, counts it as sent.
    pub(super) fn is_due(&mut self, at: Timestamp) -> bool {
        let waited = self.last.map(|last| at.seconds_since(last));
        let is_due = waited.is_none_or(|seconds| seconds >= self.interval_seconds());
        if is_due {
            self.report(at);
        }
        is_due
    }

    /// Counts a progress event that was sent for another reason.
    pub(super) fn report(&mut self, at: Timestamp) {
        self.reported += 1;
        self.last = Some(at);
    }

    fn interval_seconds(&self) -> f64 {
        let steps = self.reported.saturating_sub(FIRST).div_ceil(PER_STEP);
        2.0_f64.powi(steps.min(30) as i32).min(LONGEST_SECONDS)
    }
}

/// Whether the candidate with this number, from 1 in the order proposed, gets events.
pub(super) fn is_shown(ordinal: u64) -> bool {
    let stride = if ordinal <= COMPLETE {
        1
    } else if ordinal <= MANY {
        SPARSE
    } else {
        SPARSER
    };
    ordinal.is_multiple_of(stride)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of progress events of a run in which a rollout ends every 50 ms.
    fn reports(hours: i64) -> u32 {
        let mut pace = ProgressPace::default();
        for tick in 0..hours * 3_600 * 20 {
            pace.is_due(Timestamp(tick * 50_000));
        }
        pace.reported
    }

    #[test]
    fn progress_comes_every_second_at_first_and_below_650_times_in_a_day() {
        let mut pace = ProgressPace::default();
        assert!(pace.is_due(Timestamp(0)));
        assert!(!pace.is_due(Timestamp(999_999)));
        assert!(pace.is_due(Timestamp(1_000_000)));
        assert!(reports(1) < 350);
        assert!(reports(24) < 650);
    }

    #[test]
    fn only_a_candidates_number_decides_whether_it_is_shown() {
        let shown = |to: u64| (1..=to).filter(|ordinal| is_shown(*ordinal)).count();
        assert_eq!(shown(100), 100);
        assert_eq!(shown(1_000), 190);
        assert_eq!(shown(10_000), 280);
    }
}
