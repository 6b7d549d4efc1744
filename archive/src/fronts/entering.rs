//! Adds a candidate to the fronts: which fronts it wins, which it ties, and which tops change.

use super::record::{FrontRecord, NO_CANDIDATE, TopKey, order_of};
use super::table::FrontTable;
use crate::bits::{self, WORD};
use crate::ranking::ascending_bits;

/// How many fronts a candidate entered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entered {
    /// Fronts won or tied.
    pub(crate) joined: usize,
    /// Fronts won strictly.
    pub(crate) won: usize,
}

impl FrontTable {
    /// Adds the next candidate to the fronts that it wins or ties. `values` are by slot; a missing
    /// value is NaN or beyond the end. Survivors are stale until [`FrontTable::settle`].
    pub(crate) fn add(&mut self, mean: f64, values: &[f64]) -> Entered {
        let index = self.records.len() as u32;
        self.records.push(FrontRecord::outside(mean));
        self.enter(index, values)
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

    /// Adds the newest candidate to the fronts that it wins or ties.
    fn enter(&mut self, candidate: u32, values: &[f64]) -> Entered {
        let entered = self.compare(values);
        let joined = count(&entered);
        let won = count(&self.won);
        let first = self.first_rank(&entered);
        let record = &mut self.records[candidate as usize];
        record.entered = entered;
        record.held = joined as u32;
        let moved = if won > 0 {
            self.win(candidate, values)
        } else {
            Vec::new()
        };
        self.hold_first(candidate, first);
        self.lead_tied(candidate);
        self.raise_moved(&moved);
        Entered { joined, won }
    }

    /// Adds a candidate to the fronts whose best value it reaches. The best values are already
    /// known.
    fn re_enter(&mut self, candidate: u32, values: &[f64]) {
        let entered = self.compare(values);
        let first = self.first_rank(&entered);
        self.hold_first(candidate, first);
        let record = &mut self.records[candidate as usize];
        record.held = count(&entered) as u32;
        record.entered.clone_from(&entered);
        let order = self.walking_order(candidate);
        for slot in bits::slots(&entered) {
            let top = self.top[slot];
            if top == NO_CANDIDATE || self.walking_order(top) < order {
                self.set_top(slot, candidate);
            }
        }
    }

    /// Returns the fronts won or tied, and stores those won in `self.won`.
    fn compare(&mut self, values: &[f64]) -> Box<[u64]> {
        self.won.clear();
        let mut entered = Vec::with_capacity(bits::words_for(values.len()));
        for (some_values, bests) in values.chunks(WORD).zip(self.best.chunks(WORD)) {
            let comparison = bits::compare(some_values, bests);
            self.won.push(comparison.greater);
            entered.push(comparison.greater | comparison.equal);
        }
        entered.into_boxed_slice()
    }

    /// Gives the fronts in `self.won` to the winner. Returns the candidates that lost their first
    /// front.
    fn win(&mut self, winner: u32, values: &[f64]) -> Vec<u32> {
        let won = std::mem::take(&mut self.won);
        self.unsettled = true;
        for (position, &word) in won.iter().enumerate().filter(|&(_, &word)| word != 0) {
            for slot in bits::slots_in(position, word & self.solo[position]) {
                let holder = self.top[slot] as usize;
                self.records[holder].lose(position, 1 << (slot % WORD));
            }
            let shared = word & !self.solo[position];
            if shared != 0 {
                self.take_from_tops(position, shared);
            }
            self.solo[position] |= word;
        }
        for slot in bits::slots(&won) {
            self.best[slot] = values[slot];
            self.epoch_start[slot] = winner;
            self.set_top(slot, winner);
        }
        let mut moved = Vec::new();
        for slot in bits::slots(&won) {
            self.move_first_holders(slot, &mut moved);
        }
        self.won = won;
        moved
    }

    /// Clears the won fronts in the bitsets of all tops, which must stay exact.
    fn take_from_tops(&mut self, position: usize, lost: u64) {
        for top in &self.tops {
            self.records[top.candidate() as usize].lose(position, lost);
        }
    }

    /// Makes a candidate the top of those fronts it tied in which it comes last in walking order.
    fn lead_tied(&mut self, candidate: u32) {
        let FrontRecord { mean, first, .. } = self.records[candidate as usize];
        let word_count = self.records[candidate as usize].entered.len();
        let reaches_a_top = self.reaches_a_top(mean);
        for position in 0..word_count {
            let tied = self.records[candidate as usize].entered[position] & !self.won[position];
            self.solo[position] &= !tied;
            if tied == 0 || !reaches_a_top {
                continue;
            }
            let start = position * WORD;
            let end = self.top_mean.len().min(start + WORD);
            let reached = tied & bits::reached(mean, &self.top_mean[start..end]);
            for slot in bits::slots_in(position, reached) {
                let top = self.top[slot];
                let is_last = mean > self.top_mean[slot]
                    || order_of(first, candidate) > order_of(self.records[top as usize].first, top);
                if is_last {
                    self.set_top(slot, candidate);
                }
            }
        }
    }

    /// A moved candidate may become the top of a front whose top has the same mean.
    ///
    /// The check can use the tops of the last settling. Example: front 3 has the members `c` and
    /// `t`, and `t` is its top. The newcomer `n` ties front 3 and becomes its top, and `c` has
    /// moved. Since `c` came before `t` and `t` before `n`, mean(c) <= mean(t) <= mean(n). If
    /// mean(c) = mean(n), all three are equal, so mean(c) is the mean of `t`, which was a top at
    /// the last settling.
    fn raise_moved(&mut self, moved: &[u32]) {
        for &candidate in moved {
            let FrontRecord { mean, first, .. } = self.records[candidate as usize];
            if !self.is_mean_of_a_top(mean) {
                continue;
            }
            let words = self.membership(candidate);
            for slot in bits::slots(&words) {
                let top = self.top[slot];
                let is_last = mean == self.top_mean[slot]
                    && order_of(first, candidate) > order_of(self.records[top as usize].first, top);
                if is_last {
                    self.set_top(slot, candidate);
                }
            }
            // The candidate may now be a top, whose bitset must be exact.
            let record = &mut self.records[candidate as usize];
            record.held = count(&words) as u32;
            record.entered = words.into_boxed_slice();
        }
    }

    /// Whether this mean is at least that of the lowest top at the last settling. For most
    /// newcomers it is not, so their ties need no further check.
    fn reaches_a_top(&self, mean: f64) -> bool {
        let settled = &self.tops[..self.settled_tops];
        settled
            .first()
            .is_some_and(|lowest| lowest.mean <= ascending_bits(mean))
    }

    /// Whether a candidate that was a top at the last settling has this mean.
    fn is_mean_of_a_top(&self, mean: f64) -> bool {
        let bits = ascending_bits(mean);
        self.tops[..self.settled_tops]
            .binary_search_by_key(&bits, |top| top.mean)
            .is_ok()
    }

    fn set_top(&mut self, slot: usize, candidate: u32) {
        let former = self.top[slot];
        if former != NO_CANDIDATE {
            self.records[former as usize].led -= 1;
        }
        let record = &mut self.records[candidate as usize];
        if record.led == 0 {
            self.tops.push(TopKey::new(record.mean, candidate));
        }
        record.led += 1;
        self.top[slot] = candidate;
        self.top_mean[slot] = record.mean;
        self.unsettled = true;
    }
}

fn count(words: &[u64]) -> usize {
    words.iter().map(|word| word.count_ones() as usize).sum()
}
