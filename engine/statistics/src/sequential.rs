//! A paired test that may be looked at after every example.

use serde::Serialize;

use crate::interval::{Estimate, Method, mean};

/// The shares of the largest admissible bet. The mean of bets of all sizes is used, since the best
/// size depends on the unknown difference.
const BETS: [f64; 10] = [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.6, 0.8, 0.95];
const STEPS: usize = 40;

/// Differences of scores in the order in which they arrived, and what they show at any time.
///
/// Under the assumption that the true mean difference is at most `m`, the wealth of a gambler who
/// bets on larger differences does not grow on average, whenever they stop. A wealth of `1 / risk`
/// therefore occurs with a probability of at most `risk`, however often one looks.
#[derive(Clone, Debug)]
pub struct Sequential {
    /// Divided by the width of the range of scores, so each lies within -1 and 1.
    differences: Vec<f64>,
    width: f64,
    confidence: f64,
}

/// Which side of a value the difference was shown to be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The difference is above the value.
    Above,
    /// The difference is below the value.
    Below,
}

impl Sequential {
    /// A test of scores whose range has this width. The confidence is that of the two-sided
    /// interval, at all numbers of examples together.
    pub fn new(width: f64, confidence: f64) -> Self {
        Self {
            differences: Vec::new(),
            width: if width > 0.0 { width } else { 1.0 },
            confidence,
        }
    }

    /// Takes in the difference on the next example.
    pub fn add(&mut self, difference: f64) {
        self.differences
            .push((difference / self.width).clamp(-1.0, 1.0));
    }

    /// The number of examples so far.
    pub fn len(&self) -> usize {
        self.differences.len()
    }

    /// Whether there is no example yet.
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty()
    }

    /// Whether the difference was shown to be above or below `value`.
    pub fn shows(&self, value: f64) -> Option<Direction> {
        let value = value / self.width;
        if self.rejects_at_most(value) {
            return Some(Direction::Above);
        }
        self.rejects_at_least(value).then_some(Direction::Below)
    }

    /// The interval at this number of examples. All intervals of the sequence hold the true
    /// difference at once with the given confidence.
    pub fn estimate(&self) -> Option<Estimate> {
        if self.differences.is_empty() {
            return None;
        }
        let average = mean(&self.differences);
        let low = boundary(-1.0, average, |value| self.rejects_at_most(value));
        let high = boundary(1.0, average, |value| self.rejects_at_least(value));
        Some(Estimate {
            mean: average * self.width,
            low: low * self.width,
            high: high * self.width,
            confidence: self.confidence,
            count: self.differences.len(),
            method: Method::Sequential,
        })
    }

    fn rejects_at_most(&self, value: f64) -> bool {
        self.is_rich(|one| one - value, 1.0 + value)
    }

    fn rejects_at_least(&self, value: f64) -> bool {
        self.is_rich(|one| value - one, 1.0 - value)
    }

    /// Whether bets on the gain of each difference made the gambler rich; a loss is `most_lost` at most.
    fn is_rich(&self, gain: impl Fn(f64) -> f64, most_lost: f64) -> bool {
        let risk = (1.0 - self.confidence) / 2.0;
        let wealth: f64 = BETS
            .iter()
            .map(|share| {
                let bet = share / most_lost.max(1e-9);
                let gains = self.differences.iter().map(|one| gain(*one));
                gains.map(|gain| (bet * gain).ln_1p()).sum::<f64>()
            })
            .map(f64::exp)
            .sum();
        wealth / BETS.len() as f64 >= 1.0 / risk
    }
}

/// The value between `from`, which is rejected or the end of the range, and `to`, which is not
/// rejected, at which rejection ends.
fn boundary(from: f64, to: f64, rejects: impl Fn(f64) -> bool) -> f64 {
    let (mut outside, mut inside) = (from, to);
    for _ in 0..STEPS {
        let middle = f64::midpoint(outside, inside);
        if rejects(middle) {
            outside = middle;
        } else {
            inside = middle;
        }
    }
    outside
}
