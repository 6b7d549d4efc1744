//! The range of the scores seen so far, which gives the unit of all variances.

/// The most standard deviations that a range is taken to span, so that a single extreme score does
/// not make all differences look small. Scores that are 0 or 1 are within it from 1 in 60 on.
const MOST_DEVIATIONS: f64 = 8.0;

/// A running summary of scores.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
    low: f64,
    high: f64,
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            count: 0.0,
            mean: 0.0,
            squares: 0.0,
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
        }
    }
}

impl Spread {
    pub(super) fn add(&mut self, score: f64) {
        self.count += 1.0;
        let before = score - self.mean;
        self.mean += before / self.count;
        self.squares += before * (score - self.mean);
        self.low = self.low.min(score);
        self.high = self.high.max(score);
    }

    /// The mean of all scores; 0 before the first.
    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    /// The range of the scores; 1 while all are equal.
    pub(super) fn range(&self) -> f64 {
        let deviation = libm::sqrt(self.squares / self.count.max(1.0));
        let range = (self.high - self.low).min(MOST_DEVIATIONS * deviation);
        if range > 0.0 && range.is_finite() {
            range
        } else {
            1.0
        }
    }
}
