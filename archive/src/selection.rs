//! Selects the next parent.
//!
//! The draws are exactly those of the reference implementation: with the same generator the same
//! parents are chosen.

use crate::fronts::{Survivor, SurvivorList};
use crate::{Archive, CandidateIndex, Draw};

/// The rules of the reference implementation by which a parent is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
#[non_exhaustive]
pub enum ParentRule {
    /// A survivor, drawn in proportion to the number of fronts that contain it (Algorithm 2 of the
    /// paper); one draw. Without any front it is the best candidate, without a draw.
    #[default]
    Pareto,
    /// The candidate with the best mean, the first among equals; no draw.
    CurrentBest,
    /// With probability `epsilon` any live candidate, otherwise the best; one draw, two if it
    /// explores.
    EpsilonGreedy {
        /// Probability of exploring, 0 to 1; the reference uses 0.1.
        epsilon: f64,
    },
    /// Like `Pareto`, over the fronts restricted to the `k` best means. If these candidates are in
    /// no front, the best one, without a draw.
    TopKPareto {
        /// How many candidates take part; the reference uses 5.
        k: usize,
    },
}

impl Archive {
    /// Chooses a parent among the live candidates; `None` only if there are none.
    pub fn select(&self, rule: &ParentRule, draw: &mut dyn Draw) -> Option<CandidateIndex> {
        match *rule {
            ParentRule::Pareto => draw_survivor(self, self.fronts.survivors(), draw),
            ParentRule::CurrentBest => self.best(),
            ParentRule::EpsilonGreedy { epsilon } => explore_or_best(self, epsilon, draw),
            ParentRule::TopKPareto { k } => draw_survivor(self, &top_survivors(self, k), draw),
        }
    }

    /// Whether a candidate could be chosen now or after any later insertions. False stays false until
    /// a candidate or an instance is taken out.
    ///
    /// Without evictions a front loses its members only all at once, to a better value. Its top is
    /// the last of its members by mean, then by first front and index, and only tops survive. So a
    /// candidate will never survive if in each of its fronts the top has a greater mean.
    pub fn may_be_selected(&self, candidate: CandidateIndex, rule: &ParentRule) -> bool {
        let Some(entry) = self.get(candidate).filter(|entry| !entry.evicted) else {
            return false;
        };
        // After an eviction or a revision any candidate may become the last of a front.
        let is_bounded = self.is_revised();
        let is_best = |best| entry.estimate >= self.entry(best).estimate;
        if is_bounded || self.best().is_none_or(is_best) {
            return true;
        }
        match *rule {
            ParentRule::Pareto => self.fronts.may_survive(candidate.0),
            ParentRule::CurrentBest => false,
            ParentRule::EpsilonGreedy { epsilon } => epsilon > 0.0,
            ParentRule::TopKPareto { k } => self.top(k).contains(&candidate),
        }
    }
}

fn draw_survivor(
    archive: &Archive,
    survivors: &SurvivorList,
    draw: &mut dyn Draw,
) -> Option<CandidateIndex> {
    let total = survivors.total_weight();
    if total == 0 {
        return archive.best();
    }
    survivors.at_weight(draw.below(total))
}

fn explore_or_best(archive: &Archive, epsilon: f64, draw: &mut dyn Draw) -> Option<CandidateIndex> {
    let live = archive.live();
    if live.is_empty() {
        return None;
    }
    if draw.unit() < epsilon {
        return Some(live[draw.below(live.len())]);
    }
    archive.best()
}

/// The survivors among the `k` best means, over the fronts restricted to these.
///
/// It is the walk over all fronts. With few candidates the tops need no record: the top of a front
/// is the last of these candidates that is in it.
fn top_survivors(archive: &Archive, k: usize) -> SurvivorList {
    let fronts = &archive.fronts;
    if k >= archive.live().len() {
        return fronts.survivors().clone();
    }
    let mut walk: Vec<CandidateIndex> = archive.top(k);
    walk.sort_by_key(|candidate| fronts.walking_order(candidate.0));
    let memberships: Vec<Vec<u64>> = walk
        .iter()
        .map(|candidate| fronts.membership(candidate.0))
        .collect();
    let topped = topped_fronts(&memberships);
    let mut covered = Vec::new();
    let mut survivors = Vec::new();
    for (position, candidate) in walk.into_iter().enumerate() {
        let membership = &memberships[position];
        if is_covered(&topped[position], &covered) {
            continue;
        }
        unite(&mut covered, membership);
        let weight = membership
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum();
        survivors.push(Survivor { candidate, weight });
    }
    survivors.sort_by_key(|one| fronts.walking_order(one.candidate.0).1);
    SurvivorList::new(survivors)
}

/// For each membership the fronts that no later membership contains.
fn topped_fronts(memberships: &[Vec<u64>]) -> Vec<Vec<u64>> {
    let mut later = Vec::new();
    let mut topped = Vec::with_capacity(memberships.len());
    for membership in memberships.iter().rev() {
        topped.push(without(membership, &later));
        unite(&mut later, membership);
    }
    topped.reverse();
    topped
}

fn is_covered(topped: &[u64], covered: &[u64]) -> bool {
    without(topped, covered).iter().all(|&word| word == 0)
}

fn without(words: &[u64], removed: &[u64]) -> Vec<u64> {
    let mut rest = words.to_vec();
    for (word, gone) in rest.iter_mut().zip(removed) {
        *word &= !gone;
    }
    rest
}

fn unite(words: &mut Vec<u64>, added: &[u64]) {
    if words.len() < added.len() {
        words.resize(added.len(), 0);
    }
    for (word, extra) in words.iter_mut().zip(added) {
        *word |= extra;
    }
}
