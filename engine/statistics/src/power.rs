//! Which differences a number of examples can show.

use crate::distribution::{at_least, normal_quantile};
use crate::interval::two_sided;
use crate::paired::bits_show_a_gain;

/// A plan aims a little higher, because the candidates of a run differ from the seed on another share of
/// examples than the plan assumes.
const PLANNED_POWER: f64 = 0.83;
/// Up to this number of examples the power is summed exactly.
const MOST_SUMMED: usize = 2_000;

/// The probability that a comparison of 0/1 scores shows a gain, if `discordance` is the share of
/// examples on which the two sides differ and `difference` the true gain.
///
/// Up to 2 000 examples every outcome is summed with the rule that [`Comparison`] applies.
///
/// [`Comparison`]: crate::Comparison
pub fn power_of_comparison(
    examples: usize,
    discordance: f64,
    difference: f64,
    confidence: f64,
) -> f64 {
    if examples > MOST_SUMMED {
        let error = ((discordance - difference.powi(2)).max(0.0) / examples as f64).sqrt();
        let z = difference / error - two_sided(confidence);
        return normal_below(z);
    }
    Rule::new(examples, confidence).power(discordance, difference)
}

/// The smallest true gain that a comparison of 0/1 scores shows in 80 of 100 cases, if the two sides
/// differ on `discordance` of the examples. `None` if these examples cannot show any gain that well.
pub fn detectable_difference(examples: usize, discordance: f64, confidence: f64) -> Option<f64> {
    if examples > MOST_SUMMED {
        let z = two_sided(confidence) + normal_quantile(PLANNED_POWER);
        return Some((z * (discordance / examples as f64).sqrt()).min(1.0));
    }
    let rule = Rule::new(examples, confidence);
    // A gain of this size needs at least as many examples that differ.
    let reaches = |gain: f64| rule.power(discordance.max(gain), gain) >= PLANNED_POWER;
    if !reaches(1.0) {
        return None;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..24 {
        let middle = f64::midpoint(low, high);
        if reaches(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// For each number of examples that differ, the fewest wins that show a gain.
struct Rule {
    /// At `[differing]`; `None` if no number of wins does.
    fewest: Vec<Option<usize>>,
}

impl Rule {
    fn new(examples: usize, confidence: f64) -> Self {
        let fewest = |differing: usize| {
            let shows = |won: usize| bits_show_a_gain(won, differing - won, examples, confidence);
            let wins: Vec<usize> = (0..=differing).collect();
            let at = wins.partition_point(|won| !shows(*won));
            (at <= differing).then_some(at)
        };
        Self {
            fewest: (0..=examples).map(fewest).collect(),
        }
    }

    fn power(&self, discordance: f64, difference: f64) -> f64 {
        let examples = self.fewest.len() - 1;
        let discordance = discordance.clamp(0.0, 1.0);
        let wins = if discordance > 0.0 {
            (f64::midpoint(1.0, difference / discordance)).clamp(0.0, 1.0)
        } else {
            0.5
        };
        let mut sum = 0.0;
        for (differing, fewest) in self.fewest.iter().enumerate() {
            let Some(fewest) = *fewest else {
                continue;
            };
            let exactly = at_least(differing, examples, discordance)
                - at_least(differing + 1, examples, discordance);
            if exactly > 1e-12 {
                sum += exactly * at_least(fewest, differing, wins);
            }
        }
        sum
    }
}

fn normal_below(z: f64) -> f64 {
    use statrs::distribution::{ContinuousCDF, Normal};
    Normal::standard().cdf(z)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_examples_detect_large_differences_only() {
        assert_eq!(detectable_difference(5, 0.3, 0.95), None);
        let at = |examples| detectable_difference(examples, 0.3, 0.95).unwrap();
        assert!(at(20) > 0.3, "{}", at(20));
        assert!((0.13..0.19).contains(&at(100)), "{}", at(100));
        assert!((0.07..0.10).contains(&at(400)), "{}", at(400));
        assert!(at(2_000) > at(2_001) * 0.97 && at(2_000) < at(2_001) * 1.06);
    }

    #[test]
    fn no_difference_is_found_in_at_most_one_of_forty_cases() {
        for examples in [10, 30, 100, 300] {
            for discordance in [0.05, 0.3, 0.5, 0.9] {
                let power = power_of_comparison(examples, discordance, 0.0, 0.95);
                assert!(power <= 0.025, "{examples} {discordance}: {power}");
            }
        }
    }
}
