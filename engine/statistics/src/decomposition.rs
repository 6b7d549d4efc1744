//! The two-way decomposition of scores into candidate, example and residual.

use serde::Serialize;

use crate::distribution::variance_ratio_above;

const SWEEPS: usize = 200;
const CONVERGED: f64 = 1e-12;

/// How much of the scores' variance is between candidates, and how much neither candidate nor
/// example explains.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TwoWay {
    /// Candidates with at least one score.
    pub candidates: usize,
    /// Examples with at least one score.
    pub examples: usize,
    /// Known scores.
    pub known: usize,
    /// The variance of the candidates' true means; below 0 if they differ less than noise alone
    /// would make them differ.
    pub between: f64,
    /// The variance that is left after candidate and example: what repeats and wordings change.
    pub residual: f64,
    /// The probability of means that differ this much if all candidates were equal.
    pub p_value: f64,
    /// Each candidate's mean over all examples, those it was not scored on included as the examples'
    /// own means say.
    #[serde(skip)]
    pub means: Vec<Option<f64>>,
    /// The number of known scores of each candidate.
    #[serde(skip)]
    pub counts: Vec<usize>,
}

impl TwoWay {
    /// Decomposes rows of scores: one row a candidate, one column an example; `None` where there is
    /// no score.
    ///
    /// `None` if no variance would be left over: with fewer than two candidates or examples, or with
    /// too few scores.
    pub fn of(rows: &[&[Option<f64>]]) -> Option<Self> {
        let width = rows.iter().map(|row| row.len()).max()?;
        let counts: Vec<usize> = rows
            .iter()
            .map(|row| row.iter().flatten().count())
            .collect();
        let mut heights = vec![0_usize; width];
        for row in rows {
            for (height, score) in heights.iter_mut().zip(*row) {
                *height += usize::from(score.is_some());
            }
        }
        let candidates = counts.iter().filter(|count| **count > 0).count();
        let examples = heights.iter().filter(|height| **height > 0).count();
        let known: usize = counts.iter().sum();
        if candidates < 2 || examples < 2 || known < candidates + examples {
            return None;
        }
        let (effects, easiness) = fit(rows, &heights, &counts);
        let freedom = (known + 1 - candidates - examples) as f64;
        let squares: f64 = rows
            .iter()
            .zip(&effects)
            .flat_map(|(row, effect)| {
                row.iter().zip(&easiness).filter_map(move |(score, ease)| {
                    Some((score.as_ref()? - effect - ease).powi(2))
                })
            })
            .sum();
        let residual = squares / freedom;
        let of_easiness: Vec<f64> = easiness
            .iter()
            .zip(&heights)
            .filter(|(_, height)| **height > 0)
            .map(|(ease, _)| *ease)
            .collect();
        let level = of_easiness.iter().sum::<f64>() / examples as f64;
        let means: Vec<Option<f64>> = effects
            .iter()
            .zip(&counts)
            .map(|(effect, count)| (*count > 0).then_some(effect + level))
            .collect();
        let present: Vec<f64> = means.iter().flatten().copied().collect();
        let average = present.iter().sum::<f64>() / candidates as f64;
        let spread = present
            .iter()
            .map(|mean| (mean - average).powi(2))
            .sum::<f64>()
            / (candidates - 1) as f64;
        let noise = residual
            * counts
                .iter()
                .filter(|count| **count > 0)
                .map(|count| 1.0 / *count as f64)
                .sum::<f64>()
            / candidates as f64;
        let p_value = if noise > 0.0 {
            variance_ratio_above(spread / noise, (candidates - 1) as f64, freedom)
        } else if spread > 0.0 {
            0.0
        } else {
            1.0
        };
        Some(Self {
            candidates,
            examples,
            known,
            between: spread - noise,
            residual,
            p_value,
            means,
            counts,
        })
    }

    /// Whether the candidates' means differ by no more than noise makes them differ.
    pub fn shows_no_difference(&self) -> bool {
        self.between <= 0.0
    }
}

/// Fits `effect of the candidate + easiness of the example` by alternating means.
fn fit(rows: &[&[Option<f64>]], heights: &[usize], counts: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let mut effects = vec![0.0; rows.len()];
    let mut easiness = vec![0.0; heights.len()];
    for _ in 0..SWEEPS {
        let mut moved: f64 = 0.0;
        for ((row, count), effect) in rows.iter().zip(counts).zip(&mut effects) {
            let known = row
                .iter()
                .zip(&easiness)
                .filter_map(|(score, ease)| Some((*score)? - ease));
            let next = if *count > 0 {
                known.sum::<f64>() / *count as f64
            } else {
                0.0
            };
            moved = moved.max((next - *effect).abs());
            *effect = next;
        }
        let mut sums = vec![0.0; heights.len()];
        for (row, effect) in rows.iter().zip(&effects) {
            for (sum, score) in sums.iter_mut().zip(*row) {
                *sum += score.map_or(0.0, |score| score - effect);
            }
        }
        for ((ease, sum), height) in easiness.iter_mut().zip(sums).zip(heights) {
            *ease = if *height > 0 {
                sum / *height as f64
            } else {
                0.0
            };
        }
        if moved < CONVERGED {
            break;
        }
    }
    (effects, easiness)
}
