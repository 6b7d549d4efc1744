//! How much the outcomes of the same candidate on the same example differ.

/// The variance of the noise before anything is known, for scores with a range of 1.
pub(super) const EXPECTED_NOISE: f64 = 0.13;
/// The share of the noise that is expected to lie within an example before an example was run twice.
const EXPECTED_SHARE: f64 = 0.5;
/// The number of repeated outcomes that this expectation is worth.
const EXPECTATION_WEIGHT: f64 = 20.0;

/// A running summary of the scores of examples that were run more than once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Repeats {
    /// The sum of the squares of scores minus the mean of their example and candidate.
    squares: f64,
    /// The number of scores beyond the first of each example.
    repeated: f64,
}

impl Repeats {
    /// Takes in a further score of an example; returns the new mean of its scores.
    pub(super) fn add(&mut self, mean: f64, outcomes: u32, score: f64) -> f64 {
        let before = f64::from(outcomes);
        let rest = score - mean;
        self.squares += rest * rest * before / (before + 1.0);
        self.repeated += 1.0;
        mean + rest / (before + 1.0)
    }

    /// The variance of scores around the mean of their example and candidate; `range` is that of all
    /// scores.
    pub(super) fn variance(&self, range: f64) -> f64 {
        let expected = EXPECTED_SHARE * EXPECTED_NOISE * range * range;
        (self.squares + EXPECTATION_WEIGHT * expected) / (self.repeated + EXPECTATION_WEIGHT)
    }
}
