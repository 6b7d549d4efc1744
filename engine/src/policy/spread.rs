//! The search ends where nothing is learnable: its candidates do not differ by more than noise makes them differ.

use gepa_archive::{CandidateIndex, InstanceIndex};
use gepa_statistics::TwoWay;

use super::standing::Standing;
use crate::stop::StopReason;

/// Before three passes over the training examples the search is not judged.
const EPOCHS: u64 = 3;
/// Fewer candidates say too little about how candidates differ.
const FEWEST_CANDIDATES: usize = 5;
/// Only the seed and the newest candidates are compared, so that the cost stays bounded.
const MOST_CANDIDATES: usize = 200;
/// The normal quantile of 10 %.
const TENTH: f64 = -1.281_551_565_544_600_4;

/// Looked at once in each pass over the training examples.
pub(super) fn nothing_differs(standing: &Standing<'_>) -> Option<StopReason> {
    let limit = standing.limits.least_spread?;
    let epoch = standing.epoch.max(1);
    let done = standing.generation - 1;
    if !done.is_multiple_of(epoch) || done / epoch < EPOCHS {
        return None;
    }
    let live = standing.archive.live();
    let newest = live.len().saturating_sub(MOST_CANDIDATES - 1).max(1);
    let seed = live.iter().take(1);
    let chosen: Vec<CandidateIndex> = seed.chain(live.iter().skip(newest)).copied().collect();
    if chosen.len() < FEWEST_CANDIDATES {
        return None;
    }
    let instances = 0..standing.pareto as u32;
    let rows: Vec<Vec<Option<f64>>> = chosen
        .iter()
        .map(|candidate| {
            let scores = instances.clone().map(InstanceIndex);
            let scores = scores.map(|instance| standing.archive.score(*candidate, instance));
            scores.collect()
        })
        .collect();
    let rows: Vec<&[Option<f64>]> = rows.iter().map(Vec::as_slice).collect();
    let spread = spread_at_most(&TwoWay::of(&rows)?);
    (spread < limit).then_some(StopReason::NothingDiffers {
        spread,
        limit,
        candidates: chosen.len() as u64,
        passes: done / epoch,
    })
}

/// The standard deviation between the candidates' true means that is not exceeded with 90 % confidence.
///
/// The chi-squared quantile is Wilson and Hilferty's (1931), which needs arithmetic and roots alone and so has
/// the same bits on every platform.
fn spread_at_most(found: &TwoWay) -> f64 {
    let freedom = (found.candidates - 1) as f64;
    let counts = found.counts.iter().filter(|count| **count > 0);
    let inverse = counts.map(|count| 1.0 / *count as f64).sum::<f64>();
    let noise = found.residual * inverse / found.candidates as f64;
    let observed = found.between + noise;
    let part = 2.0 / (9.0 * freedom);
    let base = 1.0 - part + TENTH * part.sqrt();
    let tenth = freedom * base * base * base;
    (observed * freedom / tenth - noise).max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of candidates whose means differ by `step`, with a residual that repeats every three examples.
    fn spread(step: f64, examples: usize) -> f64 {
        let rows: Vec<Vec<Option<f64>>> = (0..8)
            .map(|candidate: usize| {
                let score = |example: usize| {
                    let noise = [0.3, -0.1, -0.2][(example * 7 + candidate * 5) % 3];
                    step * candidate as f64 + noise
                };
                (0..examples).map(|example| Some(score(example))).collect()
            })
            .collect();
        let rows: Vec<&[Option<f64>]> = rows.iter().map(Vec::as_slice).collect();
        spread_at_most(&TwoWay::of(&rows).unwrap())
    }

    #[test]
    fn the_bound_is_above_the_spread_and_falls_with_more_examples() {
        assert!(spread(0.0, 300) < 0.01, "{}", spread(0.0, 300));
        // Eight means in steps of 0.1 have a standard deviation of 0.245.
        let wide = spread(0.1, 300);
        assert!((0.245..0.5).contains(&wide), "{wide}");
        assert!(spread(0.0, 30) <= spread(0.1, 30));
    }

    #[test]
    fn the_quantile_is_close_to_the_tabulated_one() {
        let quantile = |freedom: f64| {
            let part: f64 = 2.0 / (9.0 * freedom);
            freedom * (1.0 - part + TENTH * part.sqrt()).powi(3)
        };
        for (freedom, tabulated) in [(4.0, 1.064), (9.0, 4.168), (30.0, 20.599)] {
            assert!((quantile(freedom) - tabulated).abs() < 0.02, "{freedom}");
        }
    }
}
