//! The distributions that the tests use, with arguments that cannot make the library panic.

use statrs::distribution::{ContinuousCDF, FisherSnedecor, Normal, StudentsT};
use statrs::function::beta::checked_beta_reg;

/// The quantile of the normal distribution; `share` is kept within (0, 1).
pub(crate) fn normal_quantile(share: f64) -> f64 {
    Normal::standard().inverse_cdf(inside(share))
}

/// The quantile of Student's t.
pub(crate) fn student_quantile(share: f64, freedom: f64) -> f64 {
    let found = StudentsT::new(0.0, 1.0, freedom.max(1.0));
    found.map_or(f64::INFINITY, |one| one.inverse_cdf(inside(share)))
}

/// The probability that Student's t lies below `value`.
pub(crate) fn student_below(value: f64, freedom: f64) -> f64 {
    let found = StudentsT::new(0.0, 1.0, freedom.max(1.0));
    found.map_or(0.5, |one| one.cdf(value))
}

/// The probability that the ratio of two variances lies above `value`.
pub(crate) fn variance_ratio_above(value: f64, first: f64, second: f64) -> f64 {
    let found = FisherSnedecor::new(first.max(1.0), second.max(1.0));
    found.map_or(1.0, |one| one.sf(value.max(0.0)))
}

/// The probability that `wins` or more of `tries` succeed when each does with probability `share`.
pub(crate) fn at_least(wins: usize, tries: usize, share: f64) -> f64 {
    if wins == 0 {
        return 1.0;
    }
    if wins > tries || share <= 0.0 {
        return 0.0;
    }
    if share >= 1.0 {
        return 1.0;
    }
    beta_share(wins as f64, (tries - wins + 1) as f64, share)
}

/// The share of the beta distribution with these shapes that lies below `at`.
pub(crate) fn beta_share(first: f64, second: f64, at: f64) -> f64 {
    checked_beta_reg(first, second, at.clamp(0.0, 1.0)).unwrap_or(0.5)
}

fn inside(share: f64) -> f64 {
    share.clamp(1e-12, 1.0 - 1e-12)
}
