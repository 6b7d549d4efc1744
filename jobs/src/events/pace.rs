//! How many events of a kind a run gets: everything at first, less and less later, so that the end
//! of a usual run lies within the first thousand.

use gepa_engine::Timestamp;

/// Progress events at one a second; after each further `PER_STEP` the interval doubles.
const FIRST: u32 = 60;
const PER_STEP: u32 = 30;
const LONGEST_SECONDS: f64 = 300.0;

/// Candidates with all their events.
const COMPLETE: u64 = 100;
/// After those, the n-th is shown where n is a multiple of this,
const SPARSE: u64 = 10;
/// and beyond this many, of the next.
const MANY: u64 = 1_000;
const SPARSER: u64 = 100;

/// When progress was reported last, in journal time.
#[derive(Debug, Default)]
pub(super) struct ProgressPace {
    reported: u32,
    last: Option<Timestamp>,
}

impl ProgressPace {
    /// Whether a report is due; counts it if so.
    pub(super) fn is_due(&mut self, at: Timestamp) -> bool {
        let waited = self.last.map(|last| at.seconds_since(last));
        let is_due = waited.is_none_or(|seconds| seconds >= self.interval_seconds());
        if is_due {
            self.report(at);
        }
        is_due
    }

    /// Counts a report made for another reason.
    pub(super) fn report(&mut self, at: Timestamp) {
        self.reported += 1;
        self.last = Some(at);
    }

    fn interval_seconds(&self) -> f64 {
        let steps = self.reported.saturating_sub(FIRST).div_ceil(PER_STEP);
        2.0_f64.powi(steps.min(30) as i32).min(LONGEST_SECONDS)
    }
}

/// Whether the n-th proposed candidate, from 1, gets events of its own.
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

    /// Reports of a run in which something happens every 50 ms.
    fn reports(hours: i64) -> u32 {
        let mut pace = ProgressPace::default();
        for tick in 0..hours * 3_600 * 20 {
            pace.is_due(Timestamp(tick * 50_000));
        }
        pace.reported
    }

    #[test]
    fn progress_comes_every_second_at_first_and_stays_short_over_a_day() {
        let mut pace = ProgressPace::default();
        assert!(pace.is_due(Timestamp(0)));
        assert!(!pace.is_due(Timestamp(999_999)));
        assert!(pace.is_due(Timestamp(1_000_000)));
        assert!(reports(1) < 350);
        assert!(reports(24) < 650);
    }

    #[test]
    fn candidates_are_thinned_out_by_their_number_alone() {
        let shown = |to: u64| (1..=to).filter(|ordinal| is_shown(*ordinal)).count();
        assert_eq!(shown(100), 100);
        assert_eq!(shown(1_000), 190);
        assert_eq!(shown(10_000), 280);
    }
}
