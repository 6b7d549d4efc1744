//! What is known about the candidates when their rows have different lengths.
//!
//! Each outcome is taken as the candidate's level plus the example's effect plus noise. The fit of
//! both makes a row of 12 outcomes comparable with one of 100: a short row on easy examples is not
//! mistaken for a good candidate. A child's level is then drawn towards its parent's by a normal
//! prior, because most children differ little from their parents.
//!
//! Everything here is arithmetic in a fixed order, so the same rows give the same bits. The cost of
//! a fit is the number of outcomes of the active members. Members that left the archive are frozen:
//! their outcomes still say how hard the examples are, in two sums per example.

mod fit;
mod normal;
mod repeats;
mod spread;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use gepa_archive::CandidateIndex;
use serde::{Deserialize, Serialize};

use repeats::Repeats;
use spread::Spread;

pub(crate) use normal::{below, draw};

/// What is known about one candidate's mean score over all pareto examples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The expected mean score over the whole pareto set.
    pub mean: f64,
    /// The variance of that expectation.
    pub variance: f64,
    /// The number of examples with a score.
    pub scored: u32,
}

/// The rows of all members, and the estimates that follow from them.
#[derive(Clone, Debug)]
pub(crate) struct Posterior {
    prior_sd: f64,
    sweeps: u32,
    /// Ascending by index.
    members: Vec<Member>,
    frozen: Arc<Frozen>,
    spread: Spread,
    repeats: Repeats,
}

/// A candidate whose estimate changes with every new outcome.
#[derive(Clone, Debug)]
struct Member {
    index: CandidateIndex,
    ancestors: Ancestors,
    /// By place in the order of examples: the mean score. NaN where there is none.
    row: Arc<Vec<f64>>,
    /// By place: how many scores the mean is of. Empty while there is one at most.
    outcomes: Arc<Vec<u32>>,
    scored: u32,
    /// The level found by the last fit.
    level: f64,
    estimate: Estimate,
}

/// Where the prior of a member comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ancestors(Vec<Ancestor>);

/// One parent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ancestor {
    /// Its estimate may still change.
    Active(CandidateIndex),
    /// Its estimate is final.
    Final(f64),
}

/// What frozen members leave behind, by place in the order of examples.
#[derive(Clone, Debug)]
struct Frozen {
    /// Sums of outcomes minus levels.
    sums: Vec<f64>,
    counts: Vec<u32>,
}

impl Estimate {
    /// The standard deviation.
    pub fn sd(&self) -> f64 {
        libm::sqrt(self.variance)
    }

    /// The probability that this candidate is better than the other.
    pub fn beats(&self, other: &Self) -> f64 {
        let sd = libm::sqrt(self.variance + other.variance);
        if sd > 0.0 {
            below((self.mean - other.mean) / sd)
        } else {
            // Without noise only a tie is undecided.
            match self.mean.total_cmp(&other.mean) {
                std::cmp::Ordering::Less => 0.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Greater => 1.0,
            }
        }
    }
}

impl Ancestors {
    pub(crate) fn new(parents: Vec<Ancestor>) -> Self {
        Self(parents)
    }
}

impl Posterior {
    /// No member yet. `prior_sd` is the standard deviation of a child's level around its parent's,
    /// as a share of the range of scores.
    pub(crate) fn new(examples: usize, prior_sd: f64, sweeps: u32) -> Self {
        Self {
            prior_sd,
            sweeps,
            members: Vec::new(),
            frozen: Arc::new(Frozen {
                sums: vec![0.0; examples],
                counts: vec![0; examples],
            }),
            spread: Spread::default(),
            repeats: Repeats::default(),
        }
    }

    /// Other settings for the fits to come.
    pub(crate) fn tune(&mut self, prior_sd: f64, sweeps: u32) {
        (self.prior_sd, self.sweeps) = (prior_sd, sweeps);
    }

    /// Adds a member; its index is greater than that of all others. `row` holds its scores by place;
    /// failed rollouts are left out.
    pub(crate) fn add(
        &mut self,
        index: CandidateIndex,
        ancestors: Ancestors,
        row: impl Iterator<Item = (usize, f64)>,
    ) {
        let mut member = Member {
            index,
            ancestors,
            row: Arc::default(),
            outcomes: Arc::default(),
            scored: 0,
            level: 0.0,
            estimate: Estimate {
                mean: 0.0,
                variance: 0.0,
                scored: 0,
            },
        };
        member.extend(row, &mut self.spread, &mut self.repeats);
        self.members.push(member);
    }

    /// Adds scores to a member's row.
    pub(crate) fn extend(
        &mut self,
        index: CandidateIndex,
        row: impl Iterator<Item = (usize, f64)>,
    ) {
        if let Some(at) = self.position(index) {
            self.members[at].extend(row, &mut self.spread, &mut self.repeats);
        }
    }

    /// Takes a place out of all rows.
    pub(crate) fn exclude(&mut self, place: usize) {
        for member in &mut self.members {
            let score = Arc::make_mut(&mut member.row).get_mut(place);
            if let Some(score) = score.filter(|score| !score.is_nan()) {
                *score = f64::NAN;
                member.scored -= 1;
            }
        }
        let frozen = Arc::make_mut(&mut self.frozen);
        frozen.sums[place] = 0.0;
        frozen.counts[place] = 0;
    }

    /// Fixes the estimate that a member has.
    pub(crate) fn freeze(&mut self, index: CandidateIndex) {
        let Some(at) = self.position(index) else {
            return;
        };
        let member = self.members.remove(at);
        let frozen = Arc::make_mut(&mut self.frozen);
        for (place, outcome) in member.known() {
            frozen.sums[place] += outcome - member.level;
            frozen.counts[place] += 1;
        }
        let mean = member.estimate.mean;
        let ancestors = self.members.iter_mut().flat_map(|one| &mut one.ancestors.0);
        for ancestor in ancestors {
            if matches!(ancestor, Ancestor::Active(parent) if *parent == index) {
                *ancestor = Ancestor::Final(mean);
            }
        }
    }

    /// The estimate of an active member.
    pub(crate) fn estimate(&self, index: CandidateIndex) -> Option<Estimate> {
        Some(self.members[self.position(index)?].estimate)
    }

    /// The estimates of the active members, ascending by index.
    pub(crate) fn estimates(&self) -> impl Iterator<Item = (CandidateIndex, Estimate)> + '_ {
        self.members.iter().map(|one| (one.index, one.estimate))
    }

    fn position(&self, index: CandidateIndex) -> Option<usize> {
        let found = self.members.binary_search_by_key(&index, |one| one.index);
        found.ok()
    }
}

impl Member {
    /// A second score at a place makes the place hold the mean.
    fn extend(
        &mut self,
        row: impl Iterator<Item = (usize, f64)>,
        spread: &mut Spread,
        repeats: &mut Repeats,
    ) {
        let known = Arc::make_mut(&mut self.row);
        for (place, score) in row {
            spread.add(score);
            if known.len() <= place {
                known.resize(place + 1, f64::NAN);
            }
            if known[place].is_nan() {
                self.scored += 1;
                known[place] = score;
                continue;
            }
            let outcomes = Arc::make_mut(&mut self.outcomes);
            if outcomes.len() <= place {
                outcomes.resize(place + 1, 1);
            }
            known[place] = repeats.add(known[place], outcomes[place], score);
            outcomes[place] += 1;
        }
    }

    /// The number of scores that the mean at a place is of.
    fn outcomes_at(&self, place: usize) -> u32 {
        self.outcomes.get(place).copied().unwrap_or(1)
    }

    /// The means with their places.
    fn known(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        let row = self.row.iter().copied().enumerate();
        row.filter(|(_, outcome)| !outcome.is_nan())
    }
}
