//! The fit: levels of candidates and effects of examples in turn, then the priors.

use super::repeats::EXPECTED_NOISE;
use super::{Ancestor, Estimate, Member, Posterior};

/// The ratio of noise to the variance of example effects, by which effects are shrunk. Recorded
/// runs have about 0.13 to 0.10.
const SHRINKAGE: f64 = 1.3;
/// The number of outcomes that this expectation is worth.
const EXPECTATION_WEIGHT: f64 = 20.0;
/// The least and the greatest variance of the noise, for scores with a range of 1.
const LEAST_NOISE: f64 = 0.02;
const MOST_NOISE: f64 = 0.25;

impl Posterior {
    /// Computes all estimates again from the rows.
    pub(crate) fn fit(&mut self) {
        for member in &mut self.members {
            member.level = member.mean().unwrap_or(self.spread.mean());
        }
        let mut effects = vec![0.0; self.frozen.sums.len()];
        for _ in 0..self.sweeps {
            self.fit_effects(&mut effects);
            for member in &mut self.members {
                member.fit_level(&effects);
            }
        }
        let noise = self.noise(&effects);
        self.apply_priors(noise);
    }

    /// The effect of each example: the mean of outcomes minus levels, drawn towards 0. The effects
    /// are centred over all examples, so that a level is a mean over the whole set.
    fn fit_effects(&self, effects: &mut [f64]) {
        effects.copy_from_slice(&self.frozen.sums);
        let mut counts = self.frozen.counts.clone();
        for member in &self.members {
            for (place, outcome) in member.known() {
                effects[place] += outcome - member.level;
                counts[place] += 1;
            }
        }
        for (effect, count) in effects.iter_mut().zip(&counts) {
            *effect /= f64::from(*count) + SHRINKAGE;
        }
        let centre = effects.iter().sum::<f64>() / effects.len().max(1) as f64;
        for effect in effects {
            *effect -= centre;
        }
    }

    /// The variance of what levels and effects leave unexplained of a single score.
    fn noise(&self, effects: &[f64]) -> f64 {
        let within = self.repeats.variance(self.spread.range());
        let mut squares = 0.0;
        let mut known = 0;
        for member in &self.members {
            for (place, outcome) in member.known() {
                let rest = outcome - member.level - effects[place];
                squares += rest * rest;
                let outcomes = member.outcomes_at(place);
                if outcomes > 1 {
                    squares += within * (1.0 - 1.0 / f64::from(outcomes));
                }
                known += 1;
            }
        }
        let known = f64::from(known);
        let fitted = self.members.len() as f64 + known.min(effects.len() as f64) / 2.0;
        let freedom = (known - fitted).max(0.3 * known);
        let unit = self.spread.range() * self.spread.range();
        let expected = EXPECTED_NOISE * EXPECTATION_WEIGHT * unit;
        let noise = (squares + expected) / (freedom + EXPECTATION_WEIGHT);
        noise.clamp(LEAST_NOISE * unit, MOST_NOISE * unit)
    }

    /// Combines each level with the prior around the parent's estimate. Parents come before their
    /// children.
    fn apply_priors(&mut self, noise: f64) {
        let range = self.spread.range();
        let prior_variance = self.prior_sd * range * self.prior_sd * range;
        let within = self.repeats.variance(range).min(noise);
        for at in 0..self.members.len() {
            let (before, rest) = self.members.split_at_mut(at);
            let member = &mut rest[0];
            let prior = member.prior(before);
            let scored = f64::from(member.scored);
            let noise = member.noise_of_means(noise, within);
            let (mean, variance) = match (prior, member.scored) {
                // The seed, or a candidate from outside: only its own outcomes count.
                (None, 0) => (member.level, MOST_NOISE * range * range),
                (None, _) => (member.level, noise / scored),
                (Some(prior), 0) => (prior, prior_variance),
                (Some(prior), _) => {
                    let (own, given) = (scored / noise, 1.0 / prior_variance);
                    let weight = own + given;
                    ((member.level * own + prior * given) / weight, 1.0 / weight)
                }
            };
            member.estimate = Estimate {
                mean,
                variance,
                scored: member.scored,
            };
        }
    }
}

impl Member {
    fn mean(&self) -> Option<f64> {
        let sum: f64 = self.known().map(|(_, outcome)| outcome).sum();
        (self.scored > 0).then(|| sum / f64::from(self.scored))
    }

    fn fit_level(&mut self, effects: &[f64]) {
        let sum: f64 = self
            .known()
            .map(|(place, outcome)| outcome - effects[place])
            .sum();
        if self.scored > 0 {
            self.level = sum / f64::from(self.scored);
        }
    }

    /// The variance of what levels and effects leave unexplained of the mean at a place, over the places.
    fn noise_of_means(&self, noise: f64, within: f64) -> f64 {
        if self.outcomes.is_empty() {
            return noise;
        }
        let spared = self.known().map(|(place, _)| {
            let outcomes = self.outcomes_at(place);
            1.0 - 1.0 / f64::from(outcomes)
        });
        noise - within * spared.sum::<f64>() / f64::from(self.scored.max(1))
    }

    /// The estimate of the parent; of the better one for a merge. `None` without a parent.
    fn prior(&self, before: &[Self]) -> Option<f64> {
        let means = self.ancestors.0.iter().filter_map(|ancestor| {
            Some(match ancestor {
                Ancestor::Final(mean) => *mean,
                Ancestor::Active(parent) => {
                    let found = before.binary_search_by_key(parent, |one| one.index);
                    before[found.ok()?].estimate.mean
                }
            })
        });
        means.reduce(f64::max)
    }
}
