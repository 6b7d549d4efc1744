//! The fit against recorded runs, and against a plain program on a full matrix.

use gepa_archive::{CandidateIndex, Draw};
use serde::Deserialize;

use super::{Ancestor, Ancestors, Estimate, Posterior, below, draw};
use crate::random::{ChaChaStreams, DrawPurpose, RandomSource};

const PRIOR_SD: f64 = 0.1;
const SWEEPS: u32 = 3;

#[derive(Deserialize)]
struct Recordings {
    runs: Vec<Recording>,
}

#[derive(Deserialize)]
struct Recording {
    name: String,
    parents: Vec<i64>,
    /// The number of outcomes of each row that the means and variances follow from.
    lengths: Vec<usize>,
    means: Vec<f64>,
    variances: Vec<f64>,
    rows: Vec<String>,
}

fn recordings() -> Vec<Recording> {
    let read: Recordings = serde_json::from_str(include_str!("recorded.json")).unwrap();
    read.runs
}

impl Recording {
    fn score(&self, candidate: usize, place: usize) -> f64 {
        f64::from(u8::from(self.rows[candidate].as_bytes()[place] == b'1'))
    }

    fn examples(&self) -> usize {
        self.rows[0].len()
    }

    fn matrix(&self) -> Matrix {
        let row = |candidate: usize| {
            (0..self.examples())
                .map(|place| {
                    let is_known = place < self.lengths[candidate];
                    is_known.then(|| self.score(candidate, place))
                })
                .collect()
        };
        Matrix {
            parents: self
                .parents
                .iter()
                .map(|one| usize::try_from(*one).ok())
                .collect(),
            rows: (0..self.rows.len()).map(row).collect(),
        }
    }
}

/// All scores of all candidates; `None` where there is none.
#[derive(Clone, Debug)]
struct Matrix {
    parents: Vec<Option<usize>>,
    rows: Vec<Vec<Option<f64>>>,
}

impl Matrix {
    /// A family of candidates with gaps in their rows. Scores have `levels` different values.
    fn random(seed: u64, levels: usize) -> Self {
        let mut source = ChaChaStreams::new(seed);
        let mut words = source.stream(DrawPurpose::Minibatch, 0);
        let (members, examples) = (2 + words.below(7), 3 + words.below(20));
        let row = |words: &mut dyn Draw| -> Vec<Option<f64>> {
            let length = 1 + words.below(examples);
            let mut row = vec![None; examples];
            for score in row.iter_mut().take(length).skip(1) {
                let value = words.below(levels) as f64 / (levels - 1) as f64;
                *score = (words.below(5) > 0).then_some(value);
            }
            row[0] = Some(words.below(2) as f64);
            row
        };
        Self {
            parents: (0..members)
                .map(|one| (one > 0).then(|| words.below(one)))
                .collect(),
            rows: (0..members).map(|_| row(&mut *words)).collect(),
        }
    }

    fn posterior(&self) -> Posterior {
        let mut posterior = Posterior::new(self.rows[0].len(), PRIOR_SD, SWEEPS);
        for (index, row) in self.rows.iter().enumerate() {
            posterior.add(id(index), ancestors(self.parents[index]), scored(row));
        }
        posterior.fit();
        posterior
    }

    /// The definition, written out. Scores have a range of 1.
    fn plain_fit(&self) -> Vec<(f64, f64)> {
        let (members, examples) = (self.rows.len(), self.rows[0].len());
        let known = |c: usize, i: usize| self.rows[c][i].is_some();
        let score = |c: usize, i: usize| self.rows[c][i].unwrap_or(0.0);
        let count = |c: usize| (0..examples).filter(|i| known(c, *i)).count() as f64;
        let of = |c: usize| (0..examples).filter(move |i| known(c, *i));
        let mut level: Vec<f64> = (0..members)
            .map(|c| of(c).map(|i| score(c, i)).sum::<f64>() / count(c))
            .collect();
        let mut effect = vec![0.0; examples];
        for _ in 0..SWEEPS {
            for (i, effect) in effect.iter_mut().enumerate() {
                let with: Vec<usize> = (0..members).filter(|c| known(*c, i)).collect();
                let rest: f64 = with.iter().map(|c| score(*c, i) - level[*c]).sum();
                *effect = rest / (with.len() as f64 + 1.3);
            }
            let centre = effect.iter().sum::<f64>() / examples as f64;
            for one in &mut effect {
                *one -= centre;
            }
            for (c, level) in level.iter_mut().enumerate() {
                *level = of(c).map(|i| score(c, i) - effect[i]).sum::<f64>() / count(c);
            }
        }
        let squares: f64 = (0..members)
            .map(|c| {
                of(c)
                    .map(|i| (score(c, i) - level[c] - effect[i]).powi(2))
                    .sum::<f64>()
            })
            .sum();
        let total: f64 = (0..members).map(count).sum();
        let fitted = members as f64 + total.min(examples as f64) / 2.0;
        let freedom = (total - fitted).max(0.3 * total) + 20.0;
        let noise = ((squares + 2.6) / freedom).clamp(0.02, 0.25);
        let mut fitted: Vec<(f64, f64)> = Vec::new();
        for (c, level) in level.iter().enumerate() {
            let own = noise / count(c);
            fitted.push(match self.parents[c] {
                None => (*level, own),
                Some(parent) => {
                    let weight = 1.0 / own + 1.0 / (PRIOR_SD * PRIOR_SD);
                    let prior = fitted[parent].0 / (PRIOR_SD * PRIOR_SD);
                    ((level / own + prior) / weight, 1.0 / weight)
                }
            });
        }
        fitted
    }
}

fn id(index: usize) -> CandidateIndex {
    CandidateIndex(index as u32)
}

fn ancestors(parent: Option<usize>) -> Ancestors {
    Ancestors::new(
        parent
            .map(|one| Ancestor::Active(id(one)))
            .into_iter()
            .collect(),
    )
}

fn scored(row: &[Option<f64>]) -> impl Iterator<Item = (usize, f64)> + '_ {
    let places = row.iter().enumerate();
    places.filter_map(|(place, score)| Some((place, (*score)?)))
}

fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    let difference = (found - expected).abs();
    assert!(
        difference <= tolerance,
        "{what}: {found} instead of {expected}"
    );
}

#[test]
fn recorded_runs_have_the_estimates_of_the_plain_program() {
    for recording in recordings() {
        let posterior = recording.matrix().posterior();
        for (index, estimate) in posterior.estimates() {
            let at = index.position();
            let what = format!("{} {at}", recording.name);
            assert_near(estimate.mean, recording.means[at], 1e-4, &what);
            assert_near(estimate.variance, recording.variances[at], 1e-4, &what);
        }
    }
}

#[test]
fn the_fit_is_that_of_the_definition() {
    for seed in 0..300 {
        let matrix = Matrix::random(seed, 2 + (seed % 4) as usize);
        let spread: Vec<f64> = matrix.rows.iter().flatten().flatten().copied().collect();
        let range = spread.iter().fold(0.0, |most: f64, one| most.max(*one))
            - spread.iter().fold(1.0, |least: f64, one| least.min(*one));
        if range < 1.0 {
            continue;
        }
        for ((_, estimate), (mean, variance)) in
            matrix.posterior().estimates().zip(matrix.plain_fit())
        {
            assert_near(estimate.mean, mean, 1e-12, "mean");
            assert_near(estimate.variance, variance, 1e-12, "variance");
        }
    }
}

#[test]
fn rows_that_grew_in_pieces_have_the_estimates_of_rows_that_came_at_once() {
    for seed in 0..40 {
        let matrix = Matrix::random(seed, 3);
        let mut grown = Posterior::new(matrix.rows[0].len(), PRIOR_SD, SWEEPS);
        for (index, row) in matrix.rows.iter().enumerate() {
            grown.add(
                id(index),
                ancestors(matrix.parents[index]),
                scored(&row[..1]),
            );
            grown.fit();
        }
        for (index, row) in matrix.rows.iter().enumerate() {
            let rest = scored(row).filter(|(place, _)| *place > 0);
            grown.extend(id(index), rest);
        }
        grown.fit();
        for (found, expected) in grown.estimates().zip(matrix.posterior().estimates()) {
            assert_eq!(found.0, expected.0);
            // The running variance of all scores depends on their order in its last bits.
            assert_near(found.1.mean, expected.1.mean, 1e-12, "mean");
        }
    }
}

#[test]
fn other_units_of_scores_change_nothing_but_the_unit() {
    for seed in 0..40 {
        let matrix = Matrix::random(seed, 4);
        let mut scaled = matrix.clone();
        for score in scaled.rows.iter_mut().flatten().flatten() {
            *score = 250.0 * *score - 40.0;
        }
        for ((_, plain), (_, scaled)) in matrix
            .posterior()
            .estimates()
            .zip(scaled.posterior().estimates())
        {
            assert_near(scaled.mean, 250.0 * plain.mean - 40.0, 1e-8, "mean");
            assert_near(scaled.sd(), 250.0 * plain.sd(), 1e-8, "sd");
        }
    }
}

#[test]
fn a_frozen_member_keeps_its_estimate_as_a_prior_and_what_it_says_about_examples() {
    let recording = &recordings()[0];
    let matrix = recording.matrix();
    let mut posterior = matrix.posterior();
    let before: Vec<(CandidateIndex, Estimate)> = posterior.estimates().collect();
    posterior.freeze(id(3));
    assert_eq!(posterior.estimate(id(3)), None);
    posterior.fit();
    for (index, estimate) in posterior.estimates() {
        let earlier = before[index.position()].1;
        assert_near(
            estimate.mean,
            earlier.mean,
            0.01,
            "an estimate after the freezing",
        );
    }
    // Its child has the final estimate as its prior.
    posterior.add(id(10), ancestors(Some(3)), std::iter::empty());
    posterior.freeze(id(4));
    posterior.fit();
    assert_eq!(posterior.estimate(id(10)).map(|one| one.scored), Some(0));
}

#[test]
fn candidates_that_do_not_differ_are_not_told_apart() {
    let aime = recordings()
        .into_iter()
        .find(|one| one.name == "aime")
        .unwrap();
    let estimates: Vec<Estimate> = aime
        .matrix()
        .posterior()
        .estimates()
        .map(|one| one.1)
        .collect();
    let best = estimates
        .iter()
        .max_by(|a, b| a.mean.total_cmp(&b.mean))
        .unwrap();
    assert!(best.beats(&estimates[0]) < 0.95, "{best:?}");
    let arc = recordings()
        .into_iter()
        .find(|one| one.name == "arc_agi")
        .unwrap();
    let estimates: Vec<Estimate> = arc
        .matrix()
        .posterior()
        .estimates()
        .map(|one| one.1)
        .collect();
    assert!(estimates[8].beats(&estimates[0]) > 0.999);
}

#[test]
fn one_extreme_score_does_not_make_everything_equal() {
    let mut posterior = Posterior::new(600, PRIOR_SD, SWEEPS);
    let of =
        |level: usize| (0..500_usize).map(move |at| (at, f64::from(u8::from(at % 10 < level))));
    posterior.add(id(0), Ancestors::default(), of(2).chain([(599, 1_000.0)]));
    posterior.add(id(1), ancestors(Some(0)), of(8));
    posterior.fit();
    let range = posterior.spread.range();
    assert!(range < 300.0, "{range}");
}

#[test]
fn members_without_a_score_have_finite_estimates() {
    let mut posterior = Posterior::new(4, PRIOR_SD, SWEEPS);
    posterior.add(id(0), Ancestors::default(), std::iter::empty());
    posterior.add(id(1), ancestors(Some(0)), std::iter::empty());
    posterior.fit();
    for (_, estimate) in posterior.estimates() {
        assert!(estimate.mean.is_finite() && estimate.sd().is_finite());
    }
}

#[test]
fn the_normal_distribution_is_the_one_in_the_tables() {
    for (z, probability) in [
        (0.0, 0.5),
        (1.0, 0.841_345),
        (-1.96, 0.024_998),
        (3.0, 0.998_650),
    ] {
        assert_near(below(z), probability, 1e-6, "below");
    }
    let mut source = ChaChaStreams::new(5);
    let mut words = source.stream(DrawPurpose::Parent, 1);
    let draws: Vec<f64> = (0..20_000).map(|_| draw(&mut *words)).collect();
    let mean = draws.iter().sum::<f64>() / draws.len() as f64;
    let square = draws.iter().map(|one| one * one).sum::<f64>() / draws.len() as f64;
    let within = draws.iter().filter(|one| one.abs() < 1.0).count() as f64 / draws.len() as f64;
    assert!(mean.abs() < 0.03 && (square - 1.0).abs() < 0.05 && (within - 0.683).abs() < 0.02);
}

#[test]
fn repeated_scores_make_a_row_surer_than_one_score_and_less_sure_than_further_examples() {
    let variance_after = |rounds: usize, examples: usize| {
        let mut posterior = Posterior::new(40, PRIOR_SD, SWEEPS);
        posterior.add(id(0), Ancestors::default(), std::iter::empty());
        for round in 0..rounds {
            let scores = (0..examples).map(|at| {
                let noise = (at * 7 + round * 5 + at * round) % 3;
                (at, f64::from(u8::from(noise > 0)))
            });
            posterior.extend(id(0), scores);
        }
        posterior.fit();
        let (_, estimate) = posterior.estimates().next().unwrap();
        assert_eq!(estimate.scored as usize, examples);
        estimate.variance
    };
    let (once, often, wide) = (
        variance_after(1, 10),
        variance_after(4, 10),
        variance_after(1, 40),
    );
    assert!(wide < often && often < once, "{wide} {often} {once}");
}

#[test]
fn the_mean_of_repeated_scores_counts() {
    let row = |scores: &[f64]| {
        let mut posterior = Posterior::new(2, PRIOR_SD, SWEEPS);
        posterior.add(
            id(0),
            Ancestors::default(),
            [(0, 1.0), (1, 0.0)].into_iter(),
        );
        for score in scores {
            posterior.extend(id(0), [(1, *score)].into_iter());
        }
        posterior.fit();
        posterior.estimate(id(0)).unwrap().mean
    };
    assert_near(row(&[]), 0.5, 1e-12, "one score each");
    assert_near(row(&[1.0, 0.5]), 0.75, 1e-12, "three scores of one example");
}
