//! The fronts: who holds the best value under each key, and which candidates survive the removal
//! of redundant ones.
//!
//! # Definition
//!
//! Per key the front is the set of candidates with the greatest value (exact comparison).
//! *Survivors*: order the candidates that are in any front ascending by (mean, first front,
//! index), where the first front is the one with the lowest key rank. Repeatedly remove the first
//! candidate for which every front that contains it also contains another remaining candidate.
//! A survivor's *weight* is the number of fronts it is in. (This is the redundancy removal of the
//! reference implementation, not vector dominance; that is in [`crate::dominance`].)
//!
//! # One pass suffices
//!
//! Removing a candidate only shrinks fronts, so one that could not be removed never becomes
//! removable, and a single ascending walk finds what the restarts find.
//!
//! # Only tops matter
//!
//! Call the last member of a front in walking order its *top*. When the walk reaches `p` and
//! looks at a front `f` that contains it, every later member is still there and every earlier
//! one has been judged. So `p` is the only one left in `f` iff no later member exists (`p` is the
//! top of `f`) and no earlier member survived (`f` is not covered). Hence `p` survives iff it is
//! the top of a front that no earlier survivor is in, and the walk need only visit the distinct
//! tops: at most one per key, however many candidates there are. Non-tops are always removed,
//! and a removed candidate covers nothing.
//!
//! # What is stored
//!
//! Per front: its best value, the candidate that last won it strictly (`epoch_start`), and its
//! top. Per candidate: a bitset of the fronts it ever entered. A bit counts only while the
//! candidate is not older than the front's epoch, so a won front needs no clearing in the bitsets
//! of those who lost it, except in those of tops, which are kept exact because the walk reads
//! them. First fronts only move to higher ranks (until an eviction rebuilds everything): each
//! front keeps the chain of candidates whose first front it is, and when it is won those move on.
//! A moved candidate ranks higher among equal means, so it may become the top where means tie.

mod entering;
mod first;
mod standing;
mod survival;

use crate::bits::{self, WORD};
use crate::ranking::ascending_bits;
pub(crate) use entering::Entered;
use standing::{Standing, order_of};
pub use survival::Survivor;
use survival::TopKey;
pub(crate) use survival::{Shift, SurvivorList};

/// No candidate.
const NOBODY: u32 = u32::MAX;
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
    /// Fronts known to have exactly one member; their top alone covers them.
    solo: Vec<u64>,
    late: Vec<u64>,
    any_late: bool,
    /// By candidate.
    standings: Vec<Standing>,
    /// The distinct tops, ascending as of the last [`FrontTable::settle`].
    tops: Vec<TopKey>,
    /// How many of `tops` were there at that time; the rest is in no order.
    settled_tops: usize,
    survivors: SurvivorList,
    /// Whether tops or memberships changed since the last [`FrontTable::settle`].
    unsettled: bool,
    /// Reused between insertions: the fronts won, as words.
    won: Vec<u64>,
}

impl FrontTable {
    /// Opens empty fronts up to `count`; `is_late` tells which rank after the rest.
    pub(crate) fn grow(&mut self, count: usize, is_late: impl Fn(usize) -> bool) {
        let old = self.best.len();
        if count <= old {
            return;
        }
        self.best.resize(count, f64::NEG_INFINITY);
        self.epoch_start.resize(count, 0);
        self.top.resize(count, NOBODY);
        self.top_mean.resize(count, f64::NEG_INFINITY);
        self.first_holder.resize(count, NOBODY);
        self.solo.resize(bits::words_for(count), 0);
        self.late.resize(bits::words_for(count), 0);
        for slot in (old..count).filter(|&slot| is_late(slot)) {
            self.late[slot / WORD] |= 1 << (slot % WORD);
            self.any_late = true;
        }
    }

    /// Records the next candidate without letting it into any front.
    pub(crate) fn add_outsider(&mut self, mean: f64) {
        self.standings.push(Standing::outside(mean));
    }

    /// Lets the next candidate into the fronts it wins or ties. `values` are by slot, NaN or
    /// beyond the end where missing. Survivors are stale until [`FrontTable::settle`].
    pub(crate) fn add(&mut self, mean: f64, values: &[f64]) -> Entered {
        let index = self.standings.len() as u32;
        self.standings.push(Standing::outside(mean));
        self.enter(index, values)
    }

    /// Takes a candidate out. Returns false, having done nothing, if it tops a front: then the
    /// fronts must be rebuilt from the values of the others.
    ///
    /// A candidate that tops nothing is redundant, and so is each of its memberships: at its turn
    /// in the walk every front of it had another member, who was there at every earlier turn as
    /// well. So its absence changes no verdict, and no front becomes empty.
    pub(crate) fn withdraw(&mut self, candidate: u32) -> bool {
        let standing = &mut self.standings[candidate as usize];
        if standing.led > 0 {
            return false;
        }
        standing.leave_all();
        true
    }

    /// Rebuilds the fronts from `members` alone, given in index order with their values by slot.
    pub(crate) fn rebuild<'a>(&mut self, members: impl Iterator<Item = (u32, &'a [f64])> + Clone) {
        for standing in &mut self.standings {
            standing.leave_all();
        }
        self.best.fill(f64::NEG_INFINITY);
        self.epoch_start.fill(0);
        self.top.fill(NOBODY);
        self.top_mean.fill(f64::NEG_INFINITY);
        self.first_holder.fill(NOBODY);
        // Calling a front shared that is not costs time in the next walks, nothing else.
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
        for candidate in 0..self.standings.len() as u32 {
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
        let standing = &self.standings[candidate as usize];
        let mut words = standing.entered.to_vec();
        if standing.led == 0 {
            self.drop_lost(candidate, &mut words);
        }
        words
    }

    /// The place of a candidate in walking order: mean, then first front and index.
    pub(crate) fn walking_order(&self, candidate: u32) -> (u64, u64) {
        let standing = &self.standings[candidate as usize];
        (
            ascending_bits(standing.mean),
            order_of(standing.first, candidate),
        )
    }

    /// The surviving candidates as of the last [`FrontTable::settle`].
    pub(crate) fn survivors(&self) -> &SurvivorList {
        &self.survivors
    }

    /// Whether a candidate survives or, as long as nobody is taken out, could some day: whether in
    /// any front of its own no member comes clearly after it.
    pub(crate) fn may_survive(&self, candidate: u32) -> bool {
        let mean = self.standings[candidate as usize].mean;
        bits::slots(&self.membership(candidate)).any(|slot| mean >= self.top_mean[slot])
    }

    /// Whether a candidate survives, as of the last [`FrontTable::settle`].
    pub(crate) fn survives(&self, candidate: u32) -> bool {
        self.standings[candidate as usize].surviving
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let per_front = 2 * size_of::<f64>() + 3 * size_of::<u32>();
        let words = self.solo.capacity() + self.late.capacity() + self.won.capacity();
        let entered: usize = self
            .standings
            .iter()
            .map(|one| size_of_val(&*one.entered))
            .sum();
        self.best.capacity() * per_front
            + words * size_of::<u64>()
            + self.standings.capacity() * size_of::<Standing>()
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
