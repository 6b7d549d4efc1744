//! Confidence intervals of mean scores and of mean differences.

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A mean with its two-sided 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) mean: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// The number of values.
    pub(crate) count: usize,
    pub(crate) method: Method,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Wilson's score interval, for scores that are 0 or 1.
    Wilson,
    /// Student's t, for scores of any size.
    Student,
    /// Agresti and Min's interval for paired scores that are 0 or 1.
    AgrestiMin,
}

impl Method {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Wilson => "Wilson",
            Self::Student => "Student's t",
            Self::AgrestiMin => "Agresti-Min, paired",
        }
    }
}

/// The mean of independent scores. `None` without scores, or with one score that is neither 0 nor
/// 1.
pub(crate) fn mean_interval(scores: &[f64]) -> Option<Estimate> {
    if is_binary(scores) {
        return wilson(scores);
    }
    student(scores)
}

/// The mean difference of scores on the same examples.
pub(crate) fn paired_interval(pairs: &[(f64, f64)]) -> Option<Estimate> {
    let differences: Vec<f64> = pairs.iter().map(|(before, after)| after - before).collect();
    let both: Vec<f64> = pairs
        .iter()
        .flat_map(|(before, after)| [*before, *after])
        .collect();
    if !is_binary(&both) {
        return student(&differences);
    }
    agresti_min(&differences)
}

fn is_binary(scores: &[f64]) -> bool {
    scores.iter().all(|score| *score == 0.0 || *score == 1.0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn wilson(scores: &[f64]) -> Option<Estimate> {
    if scores.is_empty() {
        return None;
    }
    let count = scores.len() as f64;
    let share = mean(scores);
    let scale = 1.0 + Z * Z / count;
    let centre = (share + Z * Z / (2.0 * count)) / scale;
    let variance = share * (1.0 - share) / count + Z * Z / (4.0 * count * count);
    let half = Z * variance.sqrt() / scale;
    Some(Estimate {
        mean: share,
        low: (centre - half).max(0.0),
        high: (centre + half).min(1.0),
        count: scores.len(),
        method: Method::Wilson,
    })
}

fn student(values: &[f64]) -> Option<Estimate> {
    if values.len() < 2 {
        return None;
    }
    let average = mean(values);
    let freedom = values.len() - 1;
    let squares: f64 = values.iter().map(|value| (value - average).powi(2)).sum();
    let error = (squares / freedom as f64 / values.len() as f64).sqrt();
    let half = student_quantile(freedom) * error;
    Some(Estimate {
        mean: average,
        low: average - half,
        high: average + half,
        count: values.len(),
        method: Method::Student,
    })
}

/// Wald's interval for a paired difference of shares, after half an observation is added to each of
/// the four cells. Unlike Wald's own interval it keeps its coverage when few examples differ.
fn agresti_min(differences: &[f64]) -> Option<Estimate> {
    if differences.is_empty() {
        return None;
    }
    let won = differences.iter().filter(|value| **value > 0.0).count() as f64 + 0.5;
    let lost = differences.iter().filter(|value| **value < 0.0).count() as f64 + 0.5;
    let count = differences.len() as f64 + 2.0;
    let centre = (won - lost) / count;
    let half = Z * ((won + lost) - (won - lost).powi(2) / count).sqrt() / count;
    Some(Estimate {
        mean: mean(differences),
        low: (centre - half).max(-1.0),
        high: (centre + half).min(1.0),
        count: differences.len(),
        method: Method::AgrestiMin,
    })
}

/// The 97.5 % quantile of Student's t. Up to 10 degrees of freedom it is read from a table. Above,
/// the Cornish-Fisher expansion gives it to four digits.
fn student_quantile(freedom: usize) -> f64 {
    const TABLE: [f64; 10] = [
        12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004,
        2.262_157, 2.228_139,
    ];
    if let Some(quantile) = freedom.checked_sub(1).and_then(|at| TABLE.get(at)) {
        return *quantile;
    }
    let n = freedom as f64;
    let (z3, z5, z7) = (Z.powi(3), Z.powi(5), Z.powi(7));
    Z + (z3 + Z) / (4.0 * n)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * Z) / (96.0 * n.powi(2))
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * Z) / (384.0 * n.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(estimate: Option<Estimate>, low: f64, high: f64) {
        let found = estimate.unwrap();
        assert!(
            (found.low - low).abs() < 5e-4,
            "low {} is not {low}",
            found.low
        );
        assert!(
            (found.high - high).abs() < 5e-4,
            "high {} is not {high}",
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
        check(mean_interval(&ones_and_zeros(81, 182)), 0.2553, 0.3662);
        check(mean_interval(&ones_and_zeros(15, 133)), 0.0624, 0.1605);
        check(mean_interval(&ones_and_zeros(0, 20)), 0.0, 0.1611);
        check(mean_interval(&ones_and_zeros(1, 28)), 0.0061, 0.1718);
    }

    #[test]
    fn other_scores_get_students_interval() {
        check(mean_interval(&[1.0, 2.0, 3.0, 4.0, 5.0]), 1.0368, 4.9632);
        assert_eq!(mean_interval(&[0.5]), None);
        assert_eq!(mean_interval(&[]), None);
    }

    #[test]
    fn students_quantiles_are_those_of_the_tables() {
        let table = [
            (1, 12.706),
            (5, 2.571),
            (10, 2.228),
            (11, 2.201),
            (20, 2.086),
            (30, 2.042),
            (120, 1.980),
        ];
        for (freedom, expected) in table {
            let found = student_quantile(freedom);
            assert!((found - expected).abs() < 6e-4, "{freedom}: {found}");
        }
    }

    #[test]
    fn paired_shares_get_agresti_and_mins_interval() {
        // 59 both, 6 won, 16 lost, 80 neither, by hand: ((6.5 - 16.5) +- z sqrt(23 - 100/163)) /
        // 163.
        let mut pairs = vec![(1.0, 1.0); 59];
        pairs.extend(vec![(0.0, 1.0); 6]);
        pairs.extend(vec![(1.0, 0.0); 16]);
        pairs.extend(vec![(0.0, 0.0); 80]);
        check(paired_interval(&pairs), -0.1182, -0.0045);
        let same = paired_interval(&[(1.0, 1.0); 8]).unwrap();
        assert!(
            same.low < 0.0 && same.high > 0.0,
            "equal scores prove nothing"
        );
    }

    #[test]
    fn paired_scores_of_any_size_get_students_interval() {
        let pairs = [(0.0, 0.1), (0.5, 0.7), (0.2, 0.5)];
        check(paired_interval(&pairs), -0.0484, 0.4484);
    }
}
