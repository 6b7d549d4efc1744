//! The mean of a candidate that was chosen because its mean is high.

use serde::Serialize;

use crate::decomposition::TwoWay;

/// A chosen candidate's mean, as observed and as expected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Corrected {
    /// The mean that was observed, and for which it was chosen.
    pub observed: f64,
    /// The mean to expect of it: the observed one, drawn towards the mean of all candidates by
    /// the share of their differences that noise explains.
    pub expected: f64,
    /// The standard deviation of what to expect.
    pub deviation: f64,
    /// How many candidates it was chosen among.
    pub among: usize,
}

/// What to expect of the candidate in row `chosen` on the same examples.
///
/// The best of several observed means is above its true mean, because luck helped to choose it. The
/// correction estimates from the rows themselves how much of the difference between candidates is
/// luck. It does not know that a wording may be lucky on these very examples; only examples that
/// were held out show that.
pub fn corrected_mean(found: &TwoWay, chosen: usize) -> Option<Corrected> {
    let observed = (*found.means.get(chosen)?)?;
    let count = *found.counts.get(chosen)? as f64;
    let present: Vec<f64> = found.means.iter().flatten().copied().collect();
    let average = present.iter().sum::<f64>() / present.len() as f64;
    let between = found.between.max(0.0);
    let noise = found.residual / count;
    let kept = if between + noise > 0.0 {
        between / (between + noise)
    } else {
        1.0
    };
    Some(Corrected {
        observed,
        expected: average + kept * (observed - average),
        deviation: (kept * noise + (1.0 - kept).powi(2) * (between + noise) / present.len() as f64)
            .sqrt(),
        among: present.len(),
    })
}
