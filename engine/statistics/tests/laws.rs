//! Laws of the statistics, against plain oracles and by simulated coverage.

use gepa_statistics::{
    Comparison, Direction, Sequential, TwoWay, corrected_mean, detectable_difference,
    power_of_comparison,
};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use serde_json::Value;

fn draws(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

fn bit(generator: &mut ChaCha12Rng, share: f64) -> f64 {
    f64::from(u8::from(generator.random::<f64>() < share))
}

/// Pairs of which `rises` more than `falls` rise on average.
fn pair(generator: &mut ChaCha12Rng, rises: f64, falls: f64) -> (f64, f64) {
    let at = generator.random::<f64>();
    if at < rises {
        (0.0, 1.0)
    } else if at < rises + falls {
        (1.0, 0.0)
    } else {
        let both = bit(generator, 0.5);
        (both, both)
    }
}

/// The probability of `wins` or more heads in `tries` throws, by adding up the paths.
fn heads(wins: usize, tries: usize) -> f64 {
    let mut row = vec![1.0];
    for _ in 0..tries {
        let mut next = vec![0.0; row.len() + 1];
        for (at, share) in row.iter().enumerate() {
            next[at] += share / 2.0;
            next[at + 1] += share / 2.0;
        }
        row = next;
    }
    row[wins..].iter().sum()
}

proptest! {
    #[test]
    fn a_gain_is_claimed_only_if_the_sign_test_agrees(
        won in 0_usize..40, lost in 0_usize..40, tied in 0_usize..100,
    ) {
        prop_assume!(won + lost + tied > 0);
        let mut pairs = vec![(0.0, 1.0); won];
        pairs.extend(vec![(1.0, 0.0); lost]);
        pairs.extend(vec![(1.0, 1.0); tied]);
        let found = Comparison::of(&pairs, 0.95).unwrap();
        let p = heads(won, won + lost);
        if found.shows_more_than(0.0) {
            prop_assert!(p <= 0.025 + 1e-9, "{p}");
        }
        // The other way round it may stay cautious, but not for long.
        if p < 0.005 {
            prop_assert!(found.shows_more_than(0.0), "{p}");
        }
        prop_assert!(found.difference.low <= found.difference.mean + 1e-12);
        prop_assert!(found.difference.high >= found.difference.mean - 1e-12);
        prop_assert!((found.after - found.before - found.difference.mean).abs() < 1e-9);
        // Jeffreys' probability lies between the two one-sided sign tests.
        prop_assert!(found.p_better <= 1.0 - heads(won + 1, won + lost + 1) + 0.5 + 1e-9);
        prop_assert_eq!(found.p_better > 0.5, won > lost);
    }

    #[test]
    fn swapping_the_sides_mirrors_the_comparison(
        scores in prop::collection::vec((0.0_f64..1.0, 0.0_f64..1.0), 2..60), bits in any::<bool>(),
    ) {
        let pairs: Vec<(f64, f64)> = scores
            .into_iter()
            .map(|(a, b)| if bits { (a.round(), b.round()) } else { (a, b) })
            .collect();
        let turned: Vec<(f64, f64)> = pairs.iter().map(|(a, b)| (*b, *a)).collect();
        let (one, two) = (Comparison::of(&pairs, 0.9).unwrap(), Comparison::of(&turned, 0.9).unwrap());
        prop_assert!((one.difference.low + two.difference.high).abs() < 1e-9);
        prop_assert!((one.p_better + two.p_better - 1.0).abs() < 1e-9);
        prop_assert!((one.resolvable - two.resolvable).abs() < 1e-12);
    }

    #[test]
    fn complete_rows_are_decomposed_as_the_textbook_does(
        rows in prop::collection::vec(prop::collection::vec(0.0_f64..1.0, 7), 3..6),
    ) {
        let known: Vec<Vec<Option<f64>>> =
            rows.iter().map(|row| row.iter().copied().map(Some).collect()).collect();
        let slices: Vec<&[Option<f64>]> = known.iter().map(Vec::as_slice).collect();
        let found = TwoWay::of(&slices).expect("the fixture has enough rows");
        let (n, v) = (rows.len() as f64, 7.0);
        let all: f64 = rows.iter().flatten().sum::<f64>() / (n * v);
        let of_row: Vec<f64> = rows.iter().map(|row| row.iter().sum::<f64>() / v).collect();
        let of_column: Vec<f64> =
            (0..7).map(|at| rows.iter().map(|row| row[at]).sum::<f64>() / n).collect();
        let mut squares = 0.0;
        for (row, mean) in rows.iter().zip(&of_row) {
            for (score, column) in row.iter().zip(&of_column) {
                squares += (score - mean - column + all).powi(2);
            }
        }
        let residual = squares / ((n - 1.0) * (v - 1.0));
        let spread = of_row.iter().map(|mean| (mean - all).powi(2)).sum::<f64>() / (n - 1.0);
        prop_assert!((found.residual - residual).abs() < 1e-9);
        prop_assert!((found.between - (spread - residual / v)).abs() < 1e-9);
    }
}

#[test]
fn intervals_of_0_and_1_hold_the_true_difference_as_often_as_they_say() {
    let mut generator = draws(1);
    for (examples, rises, falls) in [
        (20, 0.15, 0.15),
        (50, 0.25, 0.15),
        (100, 0.1, 0.02),
        (300, 0.15, 0.1),
    ] {
        let trials = 2_000;
        let held = (0..trials)
            .filter(|_| {
                let pairs: Vec<_> = (0..examples)
                    .map(|_| pair(&mut generator, rises, falls))
                    .collect();
                let found = Comparison::of(&pairs, 0.95).unwrap().difference;
                (found.low..=found.high).contains(&(rises - falls))
            })
            .count();
        // Four standard errors below 95 %.
        assert!(held >= 1_861, "{examples} {rises} {falls}: {held} of 2000");
    }
}

#[test]
fn intervals_of_graded_scores_hold_the_true_difference_as_often_as_they_say() {
    let mut generator = draws(2);
    let held = (0..2_000)
        .filter(|_| {
            let pairs: Vec<_> = (0..25)
                .map(|_| {
                    let before = generator.random::<f64>();
                    (before, 0.7 * before + 0.3 * generator.random::<f64>())
                })
                .collect();
            let found = Comparison::of(&pairs, 0.95).unwrap().difference;
            (found.low..=found.high).contains(&0.0)
        })
        .count();
    assert!((1_861..=1_939).contains(&held), "{held} of 2000");
}

#[test]
fn equal_candidates_are_called_better_in_at_most_one_of_forty_comparisons() {
    let mut generator = draws(3);
    let better = (0..4_000)
        .filter(|_| {
            let pairs: Vec<_> = (0..60)
                .map(|_| (bit(&mut generator, 0.6), bit(&mut generator, 0.6)))
                .collect();
            Comparison::of(&pairs, 0.95).unwrap().shows_more_than(0.0)
        })
        .count();
    assert!(better <= 100, "{better} of 4000");
}

#[test]
fn the_detectable_difference_is_found_in_four_of_five_cases() {
    let mut generator = draws(4);
    for (examples, discordance) in [(40, 0.4), (100, 0.3), (250, 0.15)] {
        let gain = detectable_difference(examples, discordance, 0.95).unwrap();
        let discordance = discordance.max(gain);
        let (rises, falls) = (
            f64::midpoint(discordance, gain),
            f64::midpoint(discordance, -gain),
        );
        let found = (0..1_000)
            .filter(|_| {
                let pairs: Vec<_> = (0..examples)
                    .map(|_| pair(&mut generator, rises, falls))
                    .collect();
                Comparison::of(&pairs, 0.95).unwrap().shows_more_than(0.0)
            })
            .count();
        // Within four standard errors of 830.
        assert!((782..=878).contains(&found), "{examples}: {found} of 1000");
        let summed = power_of_comparison(examples, discordance, gain, 0.95);
        assert!((summed - found as f64 / 1_000.0).abs() < 0.05);
    }
}

#[test]
fn looking_after_every_example_does_not_make_equal_candidates_differ() {
    let mut generator = draws(5);
    let mut claimed = 0;
    let mut covered = 0;
    for _ in 0..300 {
        let mut test = Sequential::new(1.0, 0.95);
        let ever = (0..120).any(|_| {
            let (before, after) = (bit(&mut generator, 0.5), bit(&mut generator, 0.5));
            test.add(after - before);
            test.shows(0.0).is_some()
        });
        claimed += usize::from(ever);
        let found = test.estimate().unwrap();
        covered += usize::from((found.low..=found.high).contains(&0.0));
    }
    assert!(claimed <= 15, "{claimed} of 300");
    assert!(covered >= 285, "{covered} of 300");
}

#[test]
fn a_sequential_test_ends_early_on_large_differences() {
    let mut generator = draws(6);
    let mut lengths = Vec::new();
    for _ in 0..200 {
        let mut test = Sequential::new(1.0, 0.95);
        let decided = (0..300).find(|_| {
            let (before, after) = pair(&mut generator, 0.4, 0.05);
            test.add(after - before);
            test.shows(0.0) == Some(Direction::Above)
        });
        lengths.push(decided.expect("a difference of 35 points is found within 300 examples"));
    }
    lengths.sort_unstable();
    assert!(lengths[100] < 60, "median {}", lengths[100]);
}

#[test]
fn a_sequential_test_knows_the_width_of_the_range() {
    let mut test = Sequential::new(100.0, 0.95);
    for _ in 0..200 {
        test.add(30.0);
        test.add(-10.0);
    }
    let found = test.estimate().unwrap();
    assert!((found.mean - 10.0).abs() < 1e-9);
    assert!(found.low > 0.0 && found.high < 20.0, "{found:?}");
    assert_eq!(test.shows(0.0), Some(Direction::Above));
    assert_eq!(test.shows(30.0), Some(Direction::Below));
}

fn recorded(run: &str) -> Vec<Vec<Option<f64>>> {
    let file = include_str!("data/recorded_rows.json");
    let parsed: Value = serde_json::from_str(file).expect("the fixture is JSON");
    let rows = parsed["runs"][run]
        .as_array()
        .expect("the fixture lists rows");
    rows.iter()
        .map(|row| {
            let bits = row.as_str().expect("a row is a text").chars();
            bits.map(|bit| Some(f64::from(u8::from(bit == '1'))))
                .collect()
        })
        .collect()
}

fn decomposed(rows: &[Vec<Option<f64>>]) -> TwoWay {
    let slices: Vec<&[Option<f64>]> = rows.iter().map(Vec::as_slice).collect();
    TwoWay::of(&slices).expect("the fixture has enough rows")
}

#[test]
fn the_ten_candidates_of_the_recorded_mathematics_run_do_not_differ() {
    let rows = recorded("aime");
    let found = decomposed(&rows);
    assert_eq!((found.candidates, found.examples), (10, 45));
    assert!(found.shows_no_difference(), "{found:?}");
    assert!((found.residual - 0.137).abs() < 0.002, "{found:?}");
    // Its best candidate is 11 points above the seed, and all of that is luck.
    let best = (0..10)
        .max_by(|a, b| {
            found.means[*a]
                .unwrap()
                .total_cmp(&found.means[*b].unwrap())
        })
        .unwrap();
    let corrected = corrected_mean(&found, best).unwrap();
    assert!((corrected.observed - 0.578).abs() < 1e-3, "{corrected:?}");
    let average = found.means.iter().flatten().sum::<f64>() / 10.0;
    assert!((corrected.expected - average).abs() < 1e-9);
    let pairs: Vec<(f64, f64)> = rows[0]
        .iter()
        .zip(&rows[best])
        .map(|(a, b)| (a.unwrap(), b.unwrap()))
        .collect();
    let compared = Comparison::of(&pairs, 0.95).unwrap();
    assert!(!compared.shows_more_than(0.0), "{compared:?}");
}

#[test]
fn the_candidates_of_the_other_recorded_runs_do_differ() {
    for (run, deviation) in [("arc_agi", 0.197), ("gskill_pallets", 0.25)] {
        let found = decomposed(&recorded(run));
        assert!(!found.shows_no_difference() && found.p_value < 1e-3);
        assert!(
            (found.between.sqrt() - deviation).abs() < 0.03,
            "{run}: {}",
            found.between.sqrt()
        );
    }
}

#[test]
fn the_corrected_mean_is_not_above_the_truth_on_average() {
    let mut generator = draws(7);
    let (mut raw, mut corrected) = (0.0, 0.0);
    for _ in 0..300 {
        let truths: Vec<f64> = (0..20)
            .map(|_| 0.6 + 0.06 * (generator.random::<f64>() - 0.5))
            .collect();
        let rows: Vec<Vec<Option<f64>>> = truths
            .iter()
            .map(|truth| (0..50).map(|_| Some(bit(&mut generator, *truth))).collect())
            .collect();
        let found = decomposed(&rows);
        let best = (0..20)
            .max_by(|a, b| {
                found.means[*a]
                    .unwrap()
                    .total_cmp(&found.means[*b].unwrap())
            })
            .unwrap();
        let result = corrected_mean(&found, best).unwrap();
        raw += (result.observed - truths[best]) / 300.0;
        corrected += (result.expected - truths[best]) / 300.0;
    }
    assert!(raw > 0.08, "the observed mean is {raw} above the truth");
    assert!(
        corrected.abs() < 0.02,
        "the corrected mean is {corrected} above the truth"
    );
}

#[test]
fn rows_of_different_length_are_compared_on_what_they_have_in_common() {
    // The short row met only the easy examples; its mean alone would look best.
    let full: Vec<Option<f64>> = (0..40)
        .map(|at| Some(f64::from(u8::from(at < 20 || at % 4 == 0))))
        .collect();
    let mut short: Vec<Option<f64>> = full.clone();
    for score in &mut short[20..] {
        *score = None;
    }
    short[3] = Some(0.0);
    let third = full.clone();
    let found = decomposed(&[full, short, third]);
    assert!(found.means[1].unwrap() < found.means[0].unwrap());
    assert_eq!(found.counts, [40, 20, 40]);
}
