//! The range in which an evaluator's scores lie.

/// Lowest and highest score an evaluator can give.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    lowest: f64,
    highest: f64,
}

impl ScoreRange {
    /// Scores from 0 to 1.
    pub const UNIT: Self = Self {
        lowest: 0.0,
        highest: 1.0,
    };

    /// A range; `None` unless both ends are finite and the first is below the second.
    pub fn new(lowest: f64, highest: f64) -> Option<Self> {
        let makes_sense = lowest.is_finite() && highest.is_finite() && lowest < highest;
        makes_sense.then_some(Self { lowest, highest })
    }

    /// The lowest score there is.
    pub fn lowest(self) -> f64 {
        self.lowest
    }

    /// The highest score there is: no candidate can do better on an example.
    pub fn highest(self) -> f64 {
        self.highest
    }

    /// Whether a score lies in it, ends included.
    pub fn contains(self, score: f64) -> bool {
        (self.lowest..=self.highest).contains(&score)
    }
}
