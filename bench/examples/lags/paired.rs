//! A mean of paired differences with its uncertainty.

use std::fmt;

/// Mean difference and half of its 95 % interval, in percentage points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paired {
    mean: f64,
    half: f64,
}

impl Paired {
    /// From differences of fractions, one per world.
    pub(crate) fn of(differences: impl Iterator<Item = f64>) -> Self {
        let all: Vec<f64> = differences.map(|difference| 100.0 * difference).collect();
        let count = all.len() as f64;
        let mean = all.iter().sum::<f64>() / count;
        let squares: f64 = all.iter().map(|one| (one - mean).powi(2)).sum();
        let deviation = (squares / (count - 1.0).max(1.0)).sqrt();
        Self {
            mean,
            half: 1.96 * deviation / count.sqrt(),
        }
    }
}

impl fmt::Display for Paired {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{:+.1} ±{:.1}", self.mean, self.half))
    }
}
