//! The moments by which simulated worlds are compared with recorded runs.

use super::figures::RunFigures;

/// Moments over the runs of one family. Scores and shares are from 0 to 1.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Accepted children per reflection.
    pub accepted: f64,
    /// Shares of gates whose child was better than its parent, equal, and worse.
    pub gates: [f64; 3],
    /// Quantiles 5, 25, 50, 75 and 95 % of child minus parent on the pareto set.
    pub quantiles: [f64; 5],
    /// The least of child minus parent.
    pub worst: f64,
    /// The fourth standardised moment of child minus parent; 3 for a normal distribution.
    pub kurtosis: f64,
    /// Share of accepted children that are better than their parents on the pareto set.
    pub better: f64,
    /// Mean of child minus parent, for children of the seed.
    pub of_seed: f64,
    /// The same, for all other children.
    pub of_others: f64,
    /// Slope of the child's score on the parent's, within runs.
    pub slope: f64,
    /// Median share of accepted children after which half of the final gain was reached.
    pub half_gain: f64,
    /// Correlation of right answers between members.
    pub phi: f64,
    /// Share of items that one of two members answers rightly.
    pub discordant: f64,
    /// Mean true score of the seed.
    pub seed: f64,
    /// Mean true score of the best by pareto score.
    pub best: f64,
    /// Mean of the best's pareto score minus its true score.
    pub optimism: f64,
}

impl Moments {
    /// The moments of these runs.
    pub fn of(runs: &[RunFigures]) -> Self {
        let mut deltas: Vec<f64> = pooled(runs, |run| run.deltas.clone());
        deltas.sort_by(f64::total_cmp);
        let gates = [0, 1, 2].map(|at| runs.iter().map(|run| run.gates[at]).sum::<usize>());
        let decided = gates.iter().sum::<usize>().max(1) as f64;
        let mut half: Vec<f64> = runs.iter().filter_map(|run| run.half_gain).collect();
        half.sort_by(f64::total_cmp);
        let accepted: usize = runs.iter().map(|run| run.accepted).sum();
        let reflections: usize = runs.iter().map(|run| run.reflections).sum();
        let over = |figure: fn(&RunFigures) -> f64| mean(&pooled(runs, |run| vec![figure(run)]));
        Self {
            accepted: accepted as f64 / reflections.max(1) as f64,
            gates: gates.map(|count| count as f64 / decided),
            quantiles: [0.05, 0.25, 0.5, 0.75, 0.95].map(|share| quantile(&deltas, share)),
            worst: deltas.first().copied().unwrap_or_default(),
            kurtosis: kurtosis(&deltas),
            better: deltas.iter().filter(|delta| **delta > 0.0).count() as f64
                / deltas.len().max(1) as f64,
            of_seed: mean(&pooled(runs, |run| run.of_seed.clone())),
            of_others: mean(&pooled(runs, |run| run.of_others.clone())),
            slope: slope(runs),
            half_gain: quantile(&half, 0.5),
            phi: mean(&pooled(runs, |run| run.phi.clone())),
            discordant: mean(&pooled(runs, |run| run.discordant.clone())),
            seed: over(|run| run.seed_test),
            best: over(|run| run.best_test),
            optimism: over(|run| run.best_score - run.best_test),
        }
    }
}

fn pooled(runs: &[RunFigures], values: impl Fn(&RunFigures) -> Vec<f64>) -> Vec<f64> {
    runs.iter().flat_map(values).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Of sorted values.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * sorted.len().saturating_sub(1) as f64;
    sorted.get(at.round() as usize).copied().unwrap_or_default()
}

fn kurtosis(values: &[f64]) -> f64 {
    let centre = mean(values);
    let power = |exponent: i32| {
        let powers: Vec<f64> = values.iter().map(|v| (v - centre).powi(exponent)).collect();
        mean(&powers)
    };
    power(4) / power(2).powi(2)
}

fn slope(runs: &[RunFigures]) -> f64 {
    let (mut both, mut squares) = (0.0, 0.0);
    for run in runs {
        let (parents, children): (Vec<f64>, Vec<f64>) = run.families.iter().copied().unzip();
        let (parent, child) = (mean(&parents), mean(&children));
        for (p, c) in &run.families {
            both += (p - parent) * (c - child);
            squares += (p - parent).powi(2);
        }
    }
    both / squares
}
