//! Confidence intervals of mean scores and of mean differences.

use serde::Serialize;

use crate::distribution::{normal_quantile, student_quantile};

/// A mean with its two-sided interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean, as observed.
    pub mean: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
    /// The share of such intervals that hold the true value.
    pub confidence: f64,
    /// The number of values.
    pub count: usize,
    /// How the interval was made.
    pub method: Method,
}

/// How an interval was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// Wilson's score interval, for scores that are 0 or 1.
    Wilson,
    /// Student's t, for scores of any size.
    Student,
    /// Agresti and Min's interval for paired scores that are 0 or 1.
    AgrestiMin,
    /// A sequence of intervals that holds at every number of examples at once.
    Sequential,
}

impl Method {
    /// The method's name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wilson => "Wilson",
            Self::Student => "Student's t",
            Self::AgrestiMin => "Agresti-Min, paired",
            Self::Sequential => "valid at every look",
        }
    }
}

/// The mean of independent scores. `None` without scores, or with one score that is neither 0 nor
/// 1.
pub fn mean_interval(scores: &[f64], confidence: f64) -> Option<Estimate> {
    if scores.iter().all(|score| is_bit(*score)) {
        return wilson(scores, confidence);
    }
    student(scores, confidence)
}

/// The mean of values that are means themselves, such as scores of whole runs. Unlike single outcomes they are no
/// bits, also where all of them are 0 or 1. `None` with fewer than two values.
pub fn interval_of_means(means: &[f64], confidence: f64) -> Option<Estimate> {
    student(means, confidence)
}

/// The difference of two means of different examples: `second` minus `first`, by Welch's method. `None`
/// with fewer than two scores on a side.
pub fn gap(first: &[f64], second: &[f64], confidence: f64) -> Option<Estimate> {
    let (one, two) = (
        standard_error(first)?.powi(2),
        standard_error(second)?.powi(2),
    );
    let error = (one + two).sqrt();
    let difference = mean(second) - mean(first);
    let freedom = if error > 0.0 {
        let share = |variance: f64, count: usize| variance.powi(2) / (count - 1) as f64;
        (one + two).powi(2) / (share(one, first.len()) + share(two, second.len()))
    } else {
        1.0
    };
    let half = student_quantile(f64::midpoint(1.0, confidence), freedom) * error;
    Some(Estimate {
        mean: difference,
        low: difference - half,
        high: difference + half,
        confidence,
        count: first.len() + second.len(),
        method: Method::Student,
    })
}

pub(crate) fn is_bit(score: f64) -> bool {
    score == 0.0 || score == 1.0
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The quantile of the normal distribution for a two-sided interval.
pub(crate) fn two_sided(confidence: f64) -> f64 {
    normal_quantile(f64::midpoint(1.0, confidence))
}

fn wilson(scores: &[f64], confidence: f64) -> Option<Estimate> {
    if scores.is_empty() {
        return None;
    }
    let z = two_sided(confidence);
    let count = scores.len() as f64;
    let share = mean(scores);
    let scale = 1.0 + z * z / count;
    let centre = (share + z * z / (2.0 * count)) / scale;
    let variance = share * (1.0 - share) / count + z * z / (4.0 * count * count);
    let half = z * variance.sqrt() / scale;
    Some(Estimate {
        mean: share,
        low: (centre - half).max(0.0),
        high: (centre + half).min(1.0),
        confidence,
        count: scores.len(),
        method: Method::Wilson,
    })
}

pub(crate) fn student(values: &[f64], confidence: f64) -> Option<Estimate> {
    let error = standard_error(values)?;
    Some(student_around(
        mean(values),
        error,
        values.len(),
        confidence,
    ))
}

/// Student's interval of `count` values, at least two, with this mean and standard error.
pub(crate) fn student_around(mean: f64, error: f64, count: usize, confidence: f64) -> Estimate {
    let freedom = (count - 1) as f64;
    let half = student_quantile(f64::midpoint(1.0, confidence), freedom) * error;
    Estimate {
        mean,
        low: mean - half,
        high: mean + half,
        confidence,
        count,
        method: Method::Student,
    }
}

/// The standard error of the mean; `None` with fewer than two values.
pub(crate) fn standard_error(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let average = mean(values);
    let squares: f64 = values.iter().map(|value| (value - average).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64 / values.len() as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(estimate: Option<Estimate>, low: f64, high: f64) {
        let found = estimate.unwrap();
        assert!((found.low - low).abs() < 5e-4, "{} is not {low}", found.low);
        assert!(
            (found.high - high).abs() < 5e-4,
            "{} is not {high}",
            found.high
        );
    }

    fn ones_and_zeros(ones: usize, zeros: usize) -> Vec<f64> {
        let mut scores = vec![1.0; ones];
        scores.resize(ones + zeros, 0.0);
        scores
    }

    #[test]
    fn shares_get_wilsons_interval() {
        // Newcombe 1998, table I.
        let of = |ones, zeros| mean_interval(&ones_and_zeros(ones, zeros), 0.95);
        check(of(81, 182), 0.2553, 0.3662);
        check(of(15, 133), 0.0624, 0.1605);
        check(of(0, 20), 0.0, 0.1611);
        check(of(1, 28), 0.0061, 0.1718);
    }

    #[test]
    fn other_scores_get_students_interval() {
        let of = |scores: &[f64]| mean_interval(scores, 0.95);
        check(of(&[1.0, 2.0, 3.0, 4.0, 5.0]), 1.0368, 4.9632);
        assert_eq!(of(&[0.5]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn means_of_different_examples_get_welchs_interval() {
        // Means 2 and 4, variances 1/3 and 4/3, 2.94 degrees of freedom, t = 3.2188.
        let found = gap(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0], 0.95);
        check(found, 2.0 - 4.1554, 2.0 + 4.1554);
        assert_eq!(gap(&[1.0], &[2.0, 3.0], 0.95), None);
    }

    #[test]
    fn means_of_runs_are_no_bits() {
        let found = interval_of_means(&[1.0, 1.0, 0.0], 0.95).unwrap();
        assert_eq!(found.method, Method::Student);
        assert_eq!(interval_of_means(&[1.0], 0.95), None);
    }

    #[test]
    fn students_quantiles_are_those_of_the_tables() {
        let table = [
            (1.0, 12.706),
            (2.0, 4.303),
            (5.0, 2.571),
            (10.0, 2.228),
            (30.0, 2.042),
            (120.0, 1.980),
        ];
        for (freedom, expected) in table {
            let found = student_quantile(0.975, freedom);
            assert!((found - expected).abs() < 6e-4, "{freedom}: {found}");
        }
    }
}
