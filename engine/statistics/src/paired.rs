//! The comparison of two candidates on the examples that both have a score on.

use serde::Serialize;

use crate::distribution::{at_least, beta_share, student_below};
use crate::interval::{
    Estimate, Method, is_bit, mean, standard_error, student, student_around, two_sided,
};

/// The share of cases in which a difference that is called detectable is found.
const POWER: f64 = 0.8;

/// Up to this number of examples a comparison with more of them is made. Beyond it the exact test costs much and
/// changes little.
const MOST_COMPARED: u64 = 2_000;

/// What paired scores show about the difference of two candidates.
///
/// The interval and the decision are one thing: the difference is shown to be above some value if
/// the whole interval lies above it. For scores of 0 and 1 the interval also holds 0 whenever the
/// exact sign test cannot reject 0, so a claim never rests on an approximation that few examples
/// do not support.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Examples that both sides have a score on.
    pub examples: usize,
    /// The mean score before.
    pub before: f64,
    /// The mean score after.
    pub after: f64,
    /// After minus before.
    pub difference: Estimate,
    /// Examples on which the score rose.
    pub won: usize,
    /// Examples on which the score fell.
    pub lost: usize,
    /// The probability that the second candidate is better, from these examples alone.
    pub p_better: f64,
    /// The standard error of the difference.
    pub standard_error: f64,
    /// The smallest difference that these examples can tell from 0: two standard errors.
    pub resolvable: f64,
    /// The true difference that such a comparison finds in 80 of 100 cases.
    pub detectable: f64,
}

impl Comparison {
    /// Compares scores `(before, after)` of the same examples. `confidence` is that of the
    /// two-sided interval.
    ///
    /// `None` without pairs, or with one pair of scores that are neither 0 nor 1.
    pub fn of(pairs: &[(f64, f64)], confidence: f64) -> Option<Self> {
        let differences: Vec<f64> = pairs.iter().map(|(before, after)| after - before).collect();
        let won = differences.iter().filter(|value| **value > 0.0).count();
        let lost = differences.iter().filter(|value| **value < 0.0).count();
        let is_binary = pairs
            .iter()
            .all(|(before, after)| is_bit(*before) && is_bit(*after));
        let (difference, standard_error) = if is_binary {
            of_bits(won, lost, pairs.len(), confidence)?
        } else {
            of_scores(&differences, won + lost, confidence)?
        };
        let z = two_sided(confidence);
        let count = pairs.len() as f64;
        Some(Self {
            examples: pairs.len(),
            before: pairs.iter().map(|pair| pair.0).sum::<f64>() / count,
            after: pairs.iter().map(|pair| pair.1).sum::<f64>() / count,
            p_better: if is_binary {
                p_better_of_bits(won, lost)
            } else {
                p_better_of_scores(&differences, won, lost)
            },
            difference,
            won,
            lost,
            standard_error,
            resolvable: 2.0 * standard_error,
            detectable: (z + crate::distribution::normal_quantile(POWER)) * standard_error,
        })
    }

    /// The share of examples on which the two differ.
    pub fn discordance(&self) -> f64 {
        (self.won + self.lost) as f64 / self.examples as f64
    }

    /// Whether the examples show that the difference is above `value`.
    pub fn shows_more_than(&self, value: f64) -> bool {
        self.difference.low > value
    }

    /// Whether the examples show that the difference is below `value`.
    pub fn shows_less_than(&self, value: f64) -> bool {
        self.difference.high < value
    }

    /// How many further examples would decide whether the difference is above or below `value`, if wins,
    /// losses and sizes keep their shares. Up to 2 000 examples in all the number is that at which this
    /// comparison itself decides, beyond it that of the normal distribution. `None` if the difference equals
    /// `value`.
    pub fn further_examples(&self, value: f64) -> Option<u64> {
        let distance = (self.difference.mean - value).abs();
        if distance < 1e-9 {
            return None;
        }
        let now = self.examples as u64;
        let deviation = self.standard_error * (self.examples as f64).sqrt();
        let z = two_sided(self.difference.confidence);
        let by_normal = (z * deviation / distance).powi(2).ceil() as u64;
        let by_normal = by_normal.saturating_sub(now).max(1);
        if now + by_normal > MOST_COMPARED {
            return Some(by_normal);
        }
        let (mut too_few, mut more) = (0, 1);
        while !self.would_decide(now + more, value) {
            if now + more > MOST_COMPARED {
                return Some(by_normal.max(more));
            }
            too_few = more;
            more *= 2;
        }
        while more - too_few > 1 {
            let middle = u64::midpoint(too_few, more);
            if self.would_decide(now + middle, value) {
                more = middle;
            } else {
                too_few = middle;
            }
        }
        Some(more)
    }

    /// Whether as many examples with the same shares would show that the difference is above or below `value`.
    fn would_decide(&self, examples: u64, value: f64) -> bool {
        let Estimate {
            mean, confidence, ..
        } = self.difference;
        let scale = examples as f64 / self.examples as f64;
        let grown = |count: usize| (count as f64 * scale).round() as usize;
        let (won, lost) = (grown(self.won), grown(self.lost));
        let found = if self.difference.method == Method::AgrestiMin {
            of_bits(won, lost, examples as usize, confidence).map(|(found, _)| found)
        } else {
            let error = self.standard_error / scale.sqrt();
            let found = student_around(mean, error, examples as usize, confidence);
            Some(with_zero_if_few(found, won + lost))
        };
        found.is_some_and(|found| found.low > value || found.high < value)
    }
}

/// Whether the interval of a comparison of 0/1 scores with these counts lies above 0.
pub(crate) fn bits_show_a_gain(won: usize, lost: usize, examples: usize, confidence: f64) -> bool {
    of_bits(won, lost, examples, confidence).is_some_and(|(found, _)| found.low > 0.0)
}

/// Wald's interval for a paired difference of shares, after half an observation is added to each of
/// the four cells; unlike Wald's own interval it keeps its coverage when few examples differ.
fn of_bits(won: usize, lost: usize, examples: usize, confidence: f64) -> Option<(Estimate, f64)> {
    if examples == 0 {
        return None;
    }
    let (rises, falls) = (won as f64 + 0.5, lost as f64 + 0.5);
    let count = examples as f64 + 2.0;
    let centre = (rises - falls) / count;
    let error = ((rises + falls) - (rises - falls).powi(2) / count).sqrt() / count;
    let half = two_sided(confidence) * error;
    let risk = (1.0 - confidence) / 2.0;
    let (mut low, mut high) = ((centre - half).max(-1.0), (centre + half).min(1.0));
    if at_least(won, won + lost, 0.5) > risk {
        low = low.min(0.0);
    }
    if at_least(lost, won + lost, 0.5) > risk {
        high = high.max(0.0);
    }
    let estimate = Estimate {
        mean: (won as f64 - lost as f64) / examples as f64,
        low,
        high,
        confidence,
        count: examples,
        method: Method::AgrestiMin,
    };
    Some((estimate, error))
}

/// Student's interval. With few differences that are not 0 no exact test could reject 0 at any of
/// their sizes, so the interval then holds 0.
fn of_scores(differences: &[f64], nonzero: usize, confidence: f64) -> Option<(Estimate, f64)> {
    let found = student(differences, confidence)?;
    let error = standard_error(differences)?;
    Some((with_zero_if_few(found, nonzero), error))
}

fn with_zero_if_few(mut found: Estimate, nonzero: usize) -> Estimate {
    let smallest_p = 0.5_f64.powi(nonzero.min(1_000) as i32);
    if smallest_p > (1.0 - found.confidence) / 2.0 {
        found.low = found.low.min(0.0);
        found.high = found.high.max(0.0);
    }
    found
}

/// The share of examples won among those that differ has a beta distribution after the fact, with
/// Jeffreys' prior.
fn p_better_of_bits(won: usize, lost: usize) -> f64 {
    if won == lost {
        return 0.5;
    }
    1.0 - beta_share(won as f64 + 0.5, lost as f64 + 0.5, 0.5)
}

fn p_better_of_scores(differences: &[f64], won: usize, lost: usize) -> f64 {
    let error = standard_error(differences).unwrap_or_default();
    if error <= 0.0 {
        return p_better_of_bits(won, lost);
    }
    let freedom = (differences.len() - 1) as f64;
    let by_size = student_below(mean(differences) / error, freedom);
    // Few differences cannot carry more than the count of their signs does.
    let most = p_better_of_bits(won + lost, 0);
    by_size.clamp(1.0 - most, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(both: usize, won: usize, lost: usize, neither: usize) -> Vec<(f64, f64)> {
        let mut pairs = vec![(1.0, 1.0); both];
        pairs.extend(vec![(0.0, 1.0); won]);
        pairs.extend(vec![(1.0, 0.0); lost]);
        pairs.extend(vec![(0.0, 0.0); neither]);
        pairs
    }

    #[test]
    fn paired_shares_get_agresti_and_mins_interval() {
        // By hand: ((6.5 - 16.5) +- z sqrt(23 - 100/163)) / 163. The sign test has 6 of 22, p =
        // 0.026, which is not below 0.025.
        let found = Comparison::of(&counts(59, 6, 16, 80), 0.95).unwrap();
        assert!((found.difference.low + 0.1182).abs() < 5e-4);
        assert_eq!(found.difference.high, 0.0);
        assert_eq!((found.won, found.lost, found.examples), (6, 16, 161));
    }

    #[test]
    fn few_examples_show_nothing_however_one_sided_they_are() {
        for won in 0..=5 {
            let found = Comparison::of(&counts(0, won, 0, 50), 0.95).unwrap();
            assert!(!found.shows_more_than(0.0), "{won} wins and no loss");
        }
        assert!(
            Comparison::of(&counts(0, 6, 0, 50), 0.95)
                .unwrap()
                .shows_more_than(0.0)
        );
        let graded: Vec<(f64, f64)> = (0..5).map(|at| (0.1, 0.5 + f64::from(at) * 1e-3)).collect();
        let found = Comparison::of(&graded, 0.95).unwrap();
        assert!(!found.shows_more_than(0.0) && found.p_better < 0.999);
    }

    #[test]
    fn equal_scores_prove_nothing() {
        let found = Comparison::of(&counts(8, 0, 0, 0), 0.95).unwrap();
        assert!(found.difference.low < 0.0 && found.difference.high > 0.0);
        assert_eq!(found.p_better, 0.5);
        assert_eq!(found.discordance(), 0.0);
    }

    #[test]
    fn scores_of_any_size_get_students_interval() {
        let pairs = [
            (0.0, 0.1),
            (0.5, 0.7),
            (0.2, 0.5),
            (0.1, 0.2),
            (0.3, 0.5),
            (0.4, 0.7),
        ];
        let found = Comparison::of(&pairs, 0.95).unwrap();
        // Mean 0.2, standard deviation 0.08944, t(5) = 2.5706.
        assert!((found.difference.low - 0.1061).abs() < 5e-4, "{found:?}");
        assert!((found.difference.high - 0.2939).abs() < 5e-4, "{found:?}");
    }

    #[test]
    fn the_number_of_further_examples_is_that_at_which_the_comparison_decides() {
        let found = Comparison::of(&counts(40, 9, 5, 46), 0.95).unwrap();
        let more = found.further_examples(0.0).unwrap();
        let scale = 1.0 + more as f64 / 100.0;
        let grown = |count: usize| (count as f64 * scale).round() as usize;
        let later = Comparison::of(&counts(grown(40), grown(9), grown(5), grown(46)), 0.95);
        let low = later.unwrap().difference.low;
        assert!(low > 0.0 && low < 0.005, "{more}: {low}");
        // Three wins of 15 and no loss: the sign test needs six wins, which 5.5 are rounded to.
        let few = Comparison::of(&counts(0, 3, 0, 12), 0.95).unwrap();
        assert_eq!(few.further_examples(0.0), Some(13));
        let five = Comparison::of(&counts(0, 5, 0, 20), 0.95).unwrap();
        assert_eq!(five.further_examples(0.0), Some(3));
        let graded: Vec<(f64, f64)> = (0..5).map(|at| (0.1, 0.5 + f64::from(at) * 1e-3)).collect();
        let graded = Comparison::of(&graded, 0.95).unwrap();
        assert_eq!(graded.further_examples(0.0), Some(1));
        assert_eq!(
            Comparison::of(&counts(4, 2, 2, 4), 0.95)
                .unwrap()
                .further_examples(0.0),
            None
        );
    }
}
