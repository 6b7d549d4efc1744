//! The data of all fronts, and what it says about one candidate.

use super::record::{FrontRecord, NO_CANDIDATE, TopKey, order_of};
use super::survivor::SurvivorList;
use crate::bits::{self, WORD};
use crate::ranking::ascending_bits;

/// All fronts of an archive.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrontTable {
    // By front slot.
    pub(super) best: Vec<f64>,
    pub(super) epoch_start: Vec<u32>,
    pub(super) top: Vec<u32>,
    pub(super) top_mean: Vec<f64>,
    /// Head of the chain of candidates whose first front this is.
    pub(super) first_holder: Vec<u32>,
    // By front slot, as bits.
    /// Fronts that are known to have exactly one member. Their top covers them.
    pub(super) solo: Vec<u64>,
    pub(super) late: Vec<u64>,
    pub(super) any_late: bool,
    /// By candidate.
    pub(super) records: Vec<FrontRecord>,
    /// The distinct tops, ascending as of the last [`FrontTable::settle`].
    pub(super) tops: Vec<TopKey>,
    /// The length of `tops` at that time. The entries after it are in no order.
    pub(super) settled_tops: usize,
    pub(super) survivors: SurvivorList,
    /// Whether tops or memberships changed since the last [`FrontTable::settle`].
    pub(super) unsettled: bool,
    /// Reused between insertions: the fronts won, as words.
    pub(super) won: Vec<u64>,
}

impl FrontTable {
    /// Opens empty fronts up to `count`. `is_late` says which of them rank after all others.
    pub(crate) fn grow(&mut self, count: usize, is_late: impl Fn(usize) -> bool) {
        let old = self.best.len();
        if count <= old {
            return;
        }
        self.best.resize(count, f64::NEG_INFINITY);
        self.epoch_start.resize(count, 0);
        self.top.resize(count, NO_CANDIDATE);
        self.top_mean.resize(count, f64::NEG_INFINITY);
        self.first_holder.resize(count, NO_CANDIDATE);
        self.solo.resize(bits::words_for(count), 0);
        self.late.resize(bits::words_for(count), 0);
        for slot in (old..count).filter(|&slot| is_late(slot)) {
            self.late[slot / WORD] |= 1 << (slot % WORD);
            self.any_late = true;
        }
    }

    /// Records the next candidate outside all fronts.
    pub(crate) fn add_outsider(&mut self, mean: f64) {
        self.records.push(FrontRecord::outside(mean));
    }

    /// Takes a candidate out of all fronts. If it is the top of a front, changes nothing and
    /// returns false: then the fronts must be rebuilt from the values of the other candidates.
    ///
    /// A candidate that is no top is redundant, and so is each of its memberships. At its turn in
    /// the walk each of its fronts had another member, which was also there at every earlier turn.
    /// So without the candidate the walk finds the same survivors, and no front becomes empty.
    pub(crate) fn withdraw(&mut self, candidate: u32) -> bool {
        let record = &mut self.records[candidate as usize];
        if record.led > 0 {
            return false;
        }
        record.leave_all();
        true
    }

    /// Takes a candidate out of all fronts. If it is the top of a front, the fronts are wrong until
    /// [`FrontTable::rebuild`].
    pub(crate) fn leave(&mut self, candidate: u32) {
        self.records[candidate as usize].leave_all();
    }

    /// Sets the mean by which a candidate is ordered. The fronts are wrong until
    /// [`FrontTable::rebuild`].
    pub(crate) fn set_mean(&mut self, candidate: u32, mean: f64) {
        self.records[candidate as usize].mean = mean;
    }

    /// The fronts that have members: slot, value and members ascending, in key order.
    pub(crate) fn listing(&self) -> Vec<(usize, f64, Vec<u32>)> {
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); self.best.len()];
        for candidate in 0..self.records.len() as u32 {
            for slot in bits::slots(&self.membership(candidate)) {
                members[slot].push(candidate);
            }
        }
        let mut listing: Vec<_> = members
            .into_iter()
            .enumerate()
            .filter(|(_, ids)| !ids.is_empty())
            .map(|(slot, ids)| (slot, self.best[slot], ids))
            .collect();
        listing.sort_by_key(|&(slot, ..)| self.rank(slot));
        listing
    }

    /// The fronts a candidate is in now.
    pub(crate) fn membership(&self, candidate: u32) -> Vec<u64> {
        let record = &self.records[candidate as usize];
        let mut words = record.entered.to_vec();
        if record.led == 0 {
            self.drop_lost(candidate, &mut words);
        }
        words
    }

    /// The place of a candidate in walking order: mean, then first front and index.
    pub(crate) fn walking_order(&self, candidate: u32) -> (u64, u64) {
        let record = &self.records[candidate as usize];
        (
            ascending_bits(record.mean),
            order_of(record.first, candidate),
        )
    }

    /// The surviving candidates as of the last [`FrontTable::settle`].
    pub(crate) fn survivors(&self) -> &SurvivorList {
        &self.survivors
    }

    /// Whether a candidate survives now or may survive after later insertions, provided that no
    /// candidate is evicted. True if in one of its fronts no member has a greater mean.
    pub(crate) fn may_survive(&self, candidate: u32) -> bool {
        let mean = self.records[candidate as usize].mean;
        bits::slots(&self.membership(candidate)).any(|slot| mean >= self.top_mean[slot])
    }

    /// Whether a candidate survives, as of the last [`FrontTable::settle`].
    pub(crate) fn survives(&self, candidate: u32) -> bool {
        self.records[candidate as usize].surviving
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let per_front = 2 * size_of::<f64>() + 3 * size_of::<u32>();
        let words = self.solo.capacity() + self.late.capacity() + self.won.capacity();
        let entered: usize = self
            .records
            .iter()
            .map(|one| size_of_val(&*one.entered))
            .sum();
        self.best.capacity() * per_front
            + words * size_of::<u64>()
            + self.records.capacity() * size_of::<FrontRecord>()
            + entered
            + self.tops.capacity() * size_of::<TopKey>()
            + self.survivors.memory_bytes()
    }

    pub(super) fn held_mask(&self, candidate: u32, position: usize) -> u64 {
        let start = position * WORD;
        let end = self.epoch_start.len().min(start + WORD);
        bits::at_most(&self.epoch_start[start..end], candidate)
    }

    pub(super) fn drop_lost(&self, candidate: u32, words: &mut [u64]) {
        for (position, word) in words.iter_mut().enumerate().filter(|(_, word)| **word != 0) {
            *word &= self.held_mask(candidate, position);
        }
    }
}
