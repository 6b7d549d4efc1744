//! Random score rows and words.

use std::sync::Arc;

use gepa_archive::{Candidate, Draw, InstanceIndex, InstanceScore, ScoreRow};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

pub(crate) const OBJECTIVES: [&str; 3] = ["speed", "accuracy", "brevity"];

/// A row in the order its scores were obtained.
pub(crate) type PlainRow = Vec<PlainScore>;

#[derive(Clone, Debug)]
pub(crate) struct PlainScore {
    pub(crate) instance: u32,
    pub(crate) score: f64,
    pub(crate) objectives: Vec<(&'static str, f64)>,
}

/// Shape of a random archive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) candidates: usize,
    pub(crate) instances: usize,
    /// Scores are integers from 0 to this, so that ties are frequent.
    pub(crate) highest: u8,
    /// Probability that an instance is scored and that an objective is present.
    pub(crate) coverage: f64,
}

pub(crate) fn rows(shape: Shape) -> impl Strategy<Value = Vec<PlainRow>> {
    vec(row(shape), 1..=shape.candidates)
}

fn row(shape: Shape) -> impl Strategy<Value = PlainRow> {
    // The generator accepts no probability of 1.
    let coverage = shape.coverage.min(0.999_999);
    let score = 0..=shape.highest;
    let objectives = vec(weighted(coverage * 0.8, score.clone()), OBJECTIVES.len());
    let cell = weighted(coverage, (score, objectives));
    (
        vec(cell, shape.instances),
        0..shape.instances,
        prop::bool::weighted(0.3),
    )
        .prop_map(|(cells, rotation, reordered)| {
            let mut scores: PlainRow = cells
                .into_iter()
                .enumerate()
                .filter_map(|(instance, cell)| cell.map(|values| plain_score(instance, values)))
                .collect();
            if reordered && !scores.is_empty() {
                let middle = rotation % scores.len();
                scores.rotate_left(middle);
            }
            scores
        })
}

fn plain_score(instance: usize, (score, objectives): (u8, Vec<Option<u8>>)) -> PlainScore {
    let objectives = OBJECTIVES
        .into_iter()
        .zip(objectives)
        .filter_map(|(name, value)| value.map(|integer| (name, f64::from(integer))))
        .collect();
    PlainScore {
        instance: instance as u32 * 3 + 1,
        score: f64::from(score),
        objectives,
    }
}

pub(crate) fn score_row(plain: &[PlainScore]) -> ScoreRow {
    let entries = plain
        .iter()
        .map(|one| InstanceScore {
            instance: InstanceIndex(one.instance),
            score: one.score,
            objectives: one
                .objectives
                .iter()
                .map(|&(name, value)| (Arc::from(name), value))
                .collect(),
        })
        .collect();
    ScoreRow::new(entries).expect("generated scores are finite and distinct")
}

pub(crate) fn candidate(text: &str) -> Arc<Candidate> {
    Arc::new(Candidate::new([("prompt", text)]).expect("one named component"))
}

/// A small word stream, the same for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    state: u64,
    pub(crate) drawn: usize,
}

impl Words {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: seed,
            drawn: 0,
        }
    }
}

impl Draw for Words {
    fn word(&mut self) -> u32 {
        self.drawn += 1;
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 32) as u32
    }
}
