//! Keeps the live archive within its size limit.
//!
//! The redundant candidate with the lowest mean is evicted first. If no candidate is redundant, the
//! survivor with the least weight is evicted; among equal weights that with the lowest mean; among
//! equal means the older one. The best candidate is never evicted. A new candidate that survives is
//! evicted only if the best is the only other candidate. After an eviction the fronts are the
//! fronts over the live candidates, and their keys keep their order. Evicted candidates stay in the
//! lineage.

use crate::ranking::ascending_bits;
use crate::{Archive, CandidateIndex};

impl Archive {
    pub(crate) fn is_over_full(&self) -> bool {
        self.settings
            .max_size
            .is_some_and(|bound| self.ranking.len() > bound.max(1))
    }

    /// Evicts candidates until the limit holds, and returns them.
    pub(crate) fn evict_surplus(&mut self, newcomer: CandidateIndex) -> Vec<CandidateIndex> {
        let mut evicted = Vec::new();
        while self.is_over_full() {
            let victim = self.most_dispensable(newcomer);
            self.evict(victim);
            evicted.push(victim);
        }
        evicted
    }

    fn most_dispensable(&self, newcomer: CandidateIndex) -> CandidateIndex {
        let best = self.best();
        let spared = |candidate: CandidateIndex| Some(candidate) == best;
        self.lowest_redundant(spared)
            .or_else(|| self.least_survivor(|one| spared(one) || one == newcomer))
            .unwrap_or(newcomer)
    }

    fn lowest_redundant(&self, spared: impl Fn(CandidateIndex) -> bool) -> Option<CandidateIndex> {
        let mut lowest: Option<(u64, CandidateIndex)> = None;
        for candidate in self.ranking.descending().rev() {
            if self.fronts.survives(candidate.0) || spared(candidate) {
                continue;
            }
            let mean = self.mean_bits(candidate);
            // Among equal means the walk from the lowest mean comes to the oldest last.
            if lowest.is_some_and(|(lowest_mean, _)| mean > lowest_mean) {
                break;
            }
            lowest = Some((mean, candidate));
        }
        lowest.map(|(_, candidate)| candidate)
    }

    fn least_survivor(&self, spared: impl Fn(CandidateIndex) -> bool) -> Option<CandidateIndex> {
        self.fronts
            .survivors()
            .as_slice()
            .iter()
            .filter(|survivor| !spared(survivor.candidate))
            .min_by_key(|one| (one.weight, self.mean_bits(one.candidate), one.candidate))
            .map(|survivor| survivor.candidate)
    }

    pub(crate) fn evict(&mut self, victim: CandidateIndex) {
        let Some(mean) = self.get(victim).map(|entry| entry.estimate) else {
            return;
        };
        self.ranking.remove(mean, victim);
        self.live.retain(|&candidate| candidate != victim);
        self.drop_scores(victim);
        if !self.fronts.withdraw(victim.0) {
            self.fronts.leave(victim.0);
            let values = &self.values;
            let members = self.live.iter().filter_map(|candidate| {
                values[candidate.position()]
                    .as_deref()
                    .map(|row| (candidate.0, row))
            });
            self.fronts.rebuild(members);
            self.fronts.settle();
        }
    }

    fn mean_bits(&self, candidate: CandidateIndex) -> u64 {
        self.get(candidate)
            .map_or(0, |entry| ascending_bits(entry.estimate))
    }
}
