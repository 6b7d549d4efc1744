//! The scale of the evaluator's scores: what counts as perfect, and what a failure counts as.

use gepa_evaluation::{FailureKind, Outcome, ScoreRange};

use crate::event::ScoreScale;

/// The highest score where nothing else is known.
const HIGHEST: f64 = 1.0;

/// The scale of scores. Apart from the declared range it rests on the seed's scores only, so that it does
/// not depend on the order in which later outcomes arrive.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    /// Whether failures of a candidate's own doing count as the lowest score.
    counts_failures: bool,
    declared: Option<ScoreRange>,
    /// Whether a failure counts as less than every score where no lowest score is known.
    is_open_below: bool,
    /// The lowest score of the seed, if it is below 0.
    lowest: f64,
    /// The highest score of the seed, if it is above 0.
    highest: f64,
    /// Whether the seed has a score above 1.
    is_wide: bool,
}

impl Scale {
    /// The scale of a new run.
    pub(crate) fn new(declared: Option<ScoreRange>) -> Self {
        Self {
            counts_failures: true,
            declared,
            is_open_below: true,
            lowest: 0.0,
            highest: 0.0,
            is_wide: false,
        }
    }

    /// The scale that the journal names. Journals of versions before 0.2 name none; there failures are
    /// left out of every comparison.
    pub(crate) fn as_journaled(stored: Option<ScoreScale>) -> Self {
        let declared = stored.and_then(|scale| scale.range);
        Self {
            counts_failures: stored.is_some(),
            is_open_below: stored.is_some_and(|scale| scale.is_open_below),
            ..Self::new(declared.and_then(|[lowest, highest]| ScoreRange::new(lowest, highest)))
        }
    }

    /// What the journal says about the scale.
    pub(crate) fn to_journal(&self) -> Option<ScoreScale> {
        self.counts_failures.then(|| self.of_failures())
    }

    fn of_failures(&self) -> ScoreScale {
        ScoreScale {
            range: self.declared.map(|range| [range.lowest(), range.highest()]),
            is_open_below: self.is_open_below,
        }
    }

    /// Whether failures are left out of every comparison.
    pub(crate) fn leaves_failures_out(&self) -> bool {
        !self.counts_failures
    }

    /// Whether a failure counts as less than every score where no lowest score is known.
    pub(crate) fn is_open_below(&self) -> bool {
        self.is_open_below
    }

    /// Learns the scale from the seed's scores.
    pub(crate) fn learn(&mut self, scores: impl Iterator<Item = f64>) {
        for score in scores {
            self.lowest = self.lowest.min(score);
            self.highest = self.highest.max(score);
            self.is_wide |= score > HIGHEST;
        }
    }

    /// Whether no candidate can do better on an example. Without a declared range and a configured score,
    /// scores above 1 show that the highest score is not known, so none of them is perfect.
    pub(crate) fn is_perfect(&self, score: f64, configured: Option<f64>) -> bool {
        if self.leaves_failures_out() {
            // The rule of the versions whose journals name no scale.
            return score >= configured.unwrap_or(HIGHEST);
        }
        match (configured, self.declared) {
            (Some(perfect), _) => score >= perfect,
            (None, Some(range)) => score >= range.highest(),
            (None, None) => !self.is_wide && score.total_cmp(&HIGHEST).is_eq(),
        }
    }

    /// What a failure counts as among these scores: no score of the comparison is lower. `None` where
    /// failures are left out.
    pub(crate) fn worst_among(&self, scores: impl Iterator<Item = f64>) -> Option<f64> {
        let range = self.declared.map(|range| (range.lowest(), range.highest()));
        let seen = range.unwrap_or((self.lowest, self.highest));
        let (lowest, highest) = scores.fold(seen, |(lowest, highest), score| {
            (lowest.min(score), highest.max(score))
        });
        let worst = self.of_failures().failure_score(lowest, highest);
        self.counts_failures.then_some(worst)
    }
}

/// Whether an outcome is a failure of the candidate's own doing, which would happen again, and not of the
/// surroundings.
pub(crate) fn is_own_failure(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Scored(_) => false,
        Outcome::Failed(failure) => failure.kind != FailureKind::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_score_is_configured_declared_or_one() {
        let mut scale = Scale::new(None);
        assert!(scale.is_perfect(1.0, None));
        assert!(
            !scale.is_perfect(40.0, None),
            "the scale is wider than that"
        );
        assert!(scale.is_perfect(40.0, Some(1.0)), "the user said so");
        scale.learn([0.0, 40.0].into_iter());
        assert!(!scale.is_perfect(1.0, None));
        let declared = Scale::new(ScoreRange::new(-10.0, 0.0));
        assert!(declared.is_perfect(0.0, None) && !declared.is_perfect(-1.0, None));
    }

    #[test]
    fn a_failure_counts_as_no_more_than_any_score() {
        let mut scale = Scale::new(None);
        assert_eq!(scale.worst_among([0.5].into_iter()), Some(0.0));
        scale.learn([-3.0, 2.0].into_iter());
        assert_eq!(scale.worst_among([0.5].into_iter()), Some(-8.0));
        assert_eq!(scale.worst_among([-7.0].into_iter()), Some(-16.0));
        let mut at_its_worst = Scale::new(None);
        at_its_worst.learn([-2.0, -2.0].into_iter());
        let worst = at_its_worst.worst_among([-1.0].into_iter()).unwrap();
        assert!(
            (worst - 1.0) / 2.0 < -2.0,
            "failing on every second example gains nothing"
        );
        let declared = Scale::new(ScoreRange::new(1.0, 5.0));
        assert_eq!(declared.worst_among([2.0].into_iter()), Some(1.0));
    }

    #[test]
    fn journals_of_earlier_versions_keep_their_rule() {
        let old = Scale::as_journaled(None);
        assert_eq!(old.worst_among([0.5].into_iter()), None);
        assert_eq!(old.to_journal(), None);
        assert!(old.is_perfect(40.0, None));
        let earlier = Scale::as_journaled(Some(ScoreScale::default()));
        assert_eq!(earlier.worst_among([-7.0].into_iter()), Some(-7.0));
        let declared = Scale::new(ScoreRange::new(0.0, 100.0));
        assert_eq!(Scale::as_journaled(declared.to_journal()), declared);
    }
}
