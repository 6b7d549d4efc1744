//! The walk over the tops, and the survivors that it finds.

use super::record::{NO_CANDIDATE, candidate_of, order_of};
use super::survivor::{Survivor, SurvivorList};
use super::table::FrontTable;
use crate::CandidateIndex;
use crate::bits;

/// How the survivors changed in a settling.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shift {
    /// Candidates that survived before and do not now, ascending.
    pub(crate) displaced: Vec<CandidateIndex>,
    /// Whether any candidate became a survivor.
    pub(crate) any_new: bool,
}

impl FrontTable {
    /// Finds the survivors again if tops or memberships changed.
    pub(crate) fn settle(&mut self) -> Shift {
        if !self.unsettled {
            return Shift::default();
        }
        self.unsettled = false;
        self.sort_tops();
        let survivors = self.walk();
        self.replace_survivors(&survivors)
    }

    fn sort_tops(&mut self) {
        let records = &self.records;
        self.tops.retain_mut(|top| {
            let record = &records[top.candidate() as usize];
            top.order = order_of(record.first, top.candidate());
            record.led > 0
        });
        // The tops are almost sorted, which a stable sort makes use of.
        self.tops.sort();
        self.tops.dedup();
        self.settled_tops = self.tops.len();
    }

    /// Survivors in walking order.
    fn walk(&mut self) -> Vec<u32> {
        for top in &self.tops {
            let record = &mut self.records[top.candidate() as usize];
            record.uncovered = record.led;
        }
        // A front with one member is covered by its top and concerns no other candidate.
        let shared_words: Vec<usize> = (0..self.solo.len())
            .filter(|&position| self.solo[position] != u64::MAX)
            .collect();
        let mut covered = self.solo.clone();
        let mut survivors = Vec::with_capacity(self.tops.len());
        for top in &self.tops {
            let candidate = top.candidate();
            if self.records[candidate as usize].uncovered == 0 {
                continue;
            }
            survivors.push(candidate);
            for &position in &shared_words {
                let entered = &self.records[candidate as usize].entered;
                let fresh = entered
                    .get(position)
                    .map_or(0, |word| word & !covered[position]);
                covered[position] |= fresh;
                for slot in bits::slots_in(position, fresh) {
                    debug_assert_ne!(
                        self.top[slot], NO_CANDIDATE,
                        "a front with members has a top"
                    );
                    self.records[self.top[slot] as usize].uncovered -= 1;
                }
            }
        }
        survivors
    }

    fn replace_survivors(&mut self, walked: &[u32]) -> Shift {
        let former = self.survivors.take();
        let newcomers: Vec<u32> = walked
            .iter()
            .copied()
            .filter(|&candidate| !self.survives(candidate))
            .collect();
        for survivor in &former {
            self.records[survivor.candidate.position()].surviving = false;
        }
        for &candidate in walked {
            self.records[candidate as usize].surviving = true;
        }
        let (kept, mut displaced): (Vec<_>, Vec<_>) = former
            .into_iter()
            .map(|survivor| survivor.candidate)
            .partition(|survivor| self.survives(survivor.0));
        displaced.sort_unstable();
        let any_new = !newcomers.is_empty();
        self.list_survivors(kept.into_iter().map(|kept_one| kept_one.0).chain(newcomers));
        Shift { displaced, any_new }
    }

    fn list_survivors(&mut self, candidates: impl Iterator<Item = u32>) {
        let mut ordered: Vec<(u64, usize)> = candidates
            .map(|candidate| {
                let record = &self.records[candidate as usize];
                (order_of(record.first, candidate), record.held as usize)
            })
            .collect();
        // The kept survivors are almost sorted, which a stable sort makes use of.
        ordered.sort_by_key(|&(order, _)| order);
        let survivors = ordered.into_iter().map(|(order, weight)| Survivor {
            candidate: CandidateIndex(candidate_of(order)),
            weight,
        });
        self.survivors = SurvivorList::new(survivors.collect());
    }
}
