//! Events of rows that grow.

use gepa_archive::CandidateIndex;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::posterior::Estimate;

/// A comparison of a child with the best candidate, after a step of the child's row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RungDecided {
    /// The child's iteration.
    pub iteration: u64,
    /// The number of the step, from 0.
    pub rung: u32,
    /// Pareto examples run so far, failed ones included.
    pub length: u32,
    /// What is known about the child.
    pub estimate: Estimate,
    /// The candidate it was compared with: the best one when the child's gate was committed.
    pub against: CandidateIndex,
    /// The probability that the child is better.
    pub probability: f64,
    /// Whether the row grows further.
    pub goes_on: bool,
}

/// Further pareto examples for the row of an accepted candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefinementIssued {
    /// The iteration, from 1.
    pub iteration: u64,
    /// The candidate.
    pub candidate: CandidateIndex,
    /// The number of examples.
    pub count: u32,
}

/// The row of an accepted candidate became longer, or its examples were run once more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowExtended {
    /// The iteration.
    pub iteration: u64,
    /// The candidate.
    pub candidate: CandidateIndex,
    /// The length of its row before.
    pub from: u32,
    /// The length of its row now.
    pub to: u32,
    /// The positions of the pareto set that were run.
    pub positions: Vec<u32>,
    /// The scores at these positions: the mean where there are several outcomes, `None` where no rollout
    /// gave a score.
    pub scores: Vec<Option<f64>>,
    /// The number of outcomes behind each of these scores; empty if no position has more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<u32>,
    /// Mean over all its scored pareto examples.
    pub mean_score: f64,
    /// Means of its further objectives.
    pub objectives: IndexMap<String, f64>,
    /// What is known about the candidate now.
    pub estimate: Estimate,
    /// Candidates in the front after dominated removal, ascending.
    pub front: Vec<CandidateIndex>,
    /// Whether that set changed.
    pub improvement: bool,
    /// The best candidate now.
    pub leader: Leader,
    /// The number of rollouts of all iterations committed so far, this one included.
    pub committed_rollouts: u64,
}

impl RowExtended {
    /// Whether a row has all its positions.
    pub fn fits(&self, row: &[Option<f64>]) -> bool {
        let mut positions = self.positions.iter();
        positions.all(|position| (*position as usize) < row.len())
    }

    /// Adds the scores to a row that [fits](Self::fits), which has its scores in the order of the
    /// pareto set.
    pub fn add_to(&self, row: &mut [Option<f64>]) {
        for (position, score) in self.positions.iter().zip(&self.scores) {
            if let Some(place) = row.get_mut(*position as usize) {
                *place = *score;
            }
        }
    }
}

/// The best candidate by its estimate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leader {
    /// The candidate.
    pub candidate: CandidateIndex,
    /// Mean over its scored pareto examples.
    pub mean_score: f64,
    /// What is known about it.
    pub estimate: Estimate,
}

/// What is known about the result of a run whose rows grew.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestAgainstSeed {
    /// The best candidate.
    pub best: Estimate,
    /// The seed.
    pub seed: Estimate,
    /// The probability that the best candidate is better than the seed, on the pareto examples. The
    /// best candidate was chosen on them, so it is too high.
    pub better: f64,
}
