//! The fronts: which candidates hold the best value under each key, and which candidates survive
//! the removal of redundant ones.
//!
//! # Definition
//!
//! Per key the front is the set of candidates with the greatest value (exact comparison).
//! *Survivors*: order the candidates that are in any front ascending by (mean, first front,
//! index), where the first front is the one with the lowest key rank. Repeatedly remove the first
//! candidate for which every front that contains it also contains another remaining candidate.
//! A survivor's *weight* is the number of fronts it is in. (This is the redundancy removal of the
//! reference implementation, not vector dominance.)
//!
//! # One pass suffices
//!
//! Removing a candidate only shrinks fronts. So a candidate that could not be removed never becomes
//! removable, and one ascending walk gives the same result as the repeated search for the first.
//!
//! # Only tops matter
//!
//! Call the last member of a front in walking order its *top*. When the walk reaches `p` and looks
//! at a front `f` that contains it, every later member is still there, and every earlier member has
//! been removed or has survived. So `p` is the only remaining member of `f` iff no later member
//! exists (`p` is the top of `f`) and no earlier member survived (`f` is not covered). Hence `p`
//! survives iff it is the top of a front that contains no earlier survivor. The walk need only
//! visit the distinct tops: at most one per key, for any number of candidates. Candidates that are
//! not tops are always removed, and a removed candidate covers nothing.
//!
//! # What is stored
//!
//! Per front: its best value, the candidate that last won it strictly (`epoch_start`), and its top.
//! Per candidate: a bitset of the fronts it ever entered. A bit counts only while the candidate is
//! not older than the front's epoch. So when a front is won, the bitsets of the candidates that
//! lost it need no change. The bitsets of tops are changed, because the walk reads them and they
//! must be exact. First fronts only move to higher ranks (until an eviction rebuilds all fronts):
//! each front keeps the chain of candidates whose first front it is, and when it is won, these
//! candidates move to their next front. A moved candidate comes later among equal means, so it may
//! become the top of a front in which means tie.

mod entering;
mod first;
mod record;
mod survival;

use crate::bits::{self, WORD};
use crate::ranking::ascending_bits;
pub(crate) use entering::Entered;
use record::{FrontRecord, order_of};
pub use survival::Survivor;
use survival::TopKey;
pub(crate) use survival::{Shift, SurvivorList};

/// Stands for no candidate where a candidate's index is stored.
const NO_CANDIDATE: u32 = u32::MAX;
/// Set in the rank of a front that comes after all others (see `KeyLayout::is_late`).
const LATE: u32 = 1 << 31;

/// All fronts of an archive.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrontTable {
    // By front slot.
    best: Vec<f64>,
    epoch_start: Vec<u32>,
    top: Vec<u32>,
    top_mean: Vec<f64>,
    /// Head of the chain of candidates whose first front this is.
    first_holder: Vec<u32>,
    // By front slot, as bits.
    /// Fronts that are known to have exactly one member. Their top covers them.
    solo: Vec<u64>,
    late: Vec<u64>,
    any_late: bool,
    /// By candidate.
    records: Vec<FrontRecord>,
    /// The distinct tops, ascending as of the last [`FrontTable::settle`].
    tops: Vec<TopKey>,
    /// The length of `tops` at that time. The entries after it are in no order.
    settled_tops: usize,
    survivors: SurvivorList,
    /// Whether tops or memberships changed since the last [`FrontTable::settle`].
    unsettled: bool,
    /// Reused between insertions: the fronts won, as words.
    won: Vec<u64>,
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

    /// Adds the next candidate to the fronts that it wins or ties. `values` are by slot; a missing
    /// value is NaN or beyond the end. Survivors are stale until [`FrontTable::settle`].
    pub(crate) fn add(&mut self, mean: f64, values: &[f64]) -> Entered {
        let index = self.records.len() as u32;
        self.records.push(FrontRecord::outside(mean));
        self.enter(index, values)
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

    /// Rebuilds the fronts from `members` alone, given in index order with their values by slot.
    ///
    /// Every other candidate must have [left](Self::leave) before.
    pub(crate) fn rebuild<'a>(&mut self, members: impl Iterator<Item = (u32, &'a [f64])> + Clone) {
        for (candidate, _) in members.clone() {
            self.leave(candidate);
        }
        self.best.fill(f64::NEG_INFINITY);
        self.epoch_start.fill(0);
        self.top.fill(NO_CANDIDATE);
        self.top_mean.fill(f64::NEG_INFINITY);
        self.first_holder.fill(NO_CANDIDATE);
        // A clear bit is safe: it only makes the next walks look at a front of one member.
        self.solo.fill(0);
        self.tops.clear();
        self.settled_tops = 0;
        self.unsettled = true;
        for (_, values) in members.clone() {
            for (best, &value) in self.best.iter_mut().zip(values) {
                *best = best.max(value);
            }
        }
        for (candidate, values) in members {
            self.re_enter(candidate, values);
        }
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

    fn held_mask(&self, candidate: u32, position: usize) -> u64 {
        let start = position * WORD;
        let end = self.epoch_start.len().min(start + WORD);
        bits::at_most(&self.epoch_start[start..end], candidate)
    }

    fn drop_lost(&self, candidate: u32, words: &mut [u64]) {
        for (position, word) in words.iter_mut().enumerate().filter(|(_, word)| **word != 0) {
            *word &= self.held_mask(candidate, position);
        }
    }
}
