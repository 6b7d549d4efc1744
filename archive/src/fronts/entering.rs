//! Entering the fronts: who wins, who ties, and who is the top afterwards.

use super::standing::{Standing, order_of};
use super::survival::TopKey;
use super::{FrontTable, NOBODY};
use crate::bits::{self, WORD};
use crate::ranking::ascending_bits;

/// How many fronts a candidate entered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entered {
    /// Won or tied.
    pub(crate) joined: usize,
    /// Won strictly.
    pub(crate) won: usize,
}

impl FrontTable {
    /// Lets a candidate, the last of all, into the fronts it wins or ties.
    pub(super) fn enter(&mut self, candidate: u32, values: &[f64]) -> Entered {
        let entered = self.compare(values);
        let joined = count(&entered);
        let won = count(&self.won);
        let first = self.first_rank(&entered);
        let standing = &mut self.standings[candidate as usize];
        standing.entered = entered;
        standing.held = joined as u32;
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

    /// Enters the fronts whose best, known already, the candidate reaches.
    pub(super) fn re_enter(&mut self, candidate: u32, values: &[f64]) {
        let entered = self.compare(values);
        let first = self.first_rank(&entered);
        self.hold_first(candidate, first);
        let standing = &mut self.standings[candidate as usize];
        standing.held = count(&entered) as u32;
        standing.entered.clone_from(&entered);
        let order = self.walking_order(candidate);
        for slot in bits::slots(&entered) {
            let top = self.top[slot];
            if top == NOBODY || self.walking_order(top) < order {
                self.set_top(slot, candidate);
            }
        }
    }

    /// The fronts won or tied as the result, those won also in `self.won`.
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

    /// Takes over the fronts in `self.won`; returns the candidates whose first front was lost.
    fn win(&mut self, winner: u32, values: &[f64]) -> Vec<u32> {
        let won = std::mem::take(&mut self.won);
        self.unsettled = true;
        for (position, &word) in won.iter().enumerate().filter(|&(_, &word)| word != 0) {
            for slot in bits::slots_in(position, word & self.solo[position]) {
                let holder = self.top[slot] as usize;
                self.standings[holder].lose(position, 1 << (slot % WORD));
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

    /// Keeps the bitsets of tops exact when fronts with several members are won.
    fn take_from_tops(&mut self, position: usize, lost: u64) {
        for top in &self.tops {
            self.standings[top.candidate() as usize].lose(position, lost);
        }
    }

    /// Makes a candidate the top of the fronts it tied where it comes last in walking order.
    fn lead_tied(&mut self, candidate: u32) {
        let Standing { mean, first, .. } = self.standings[candidate as usize];
        let word_count = self.standings[candidate as usize].entered.len();
        let reaches_a_top = self.reaches_a_top(mean);
        for position in 0..word_count {
            let tied = self.standings[candidate as usize].entered[position] & !self.won[position];
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
                    || order_of(first, candidate)
                        > order_of(self.standings[top as usize].first, top);
                if is_last {
                    self.set_top(slot, candidate);
                }
            }
        }
    }

    /// Lets candidates whose first front moved become tops where their mean ties with the top's.
    ///
    /// Such a mean was some top's before the insertion already: where the newcomer is the top, it
    /// took over from a mean between theirs and its own.
    fn raise_moved(&mut self, moved: &[u32]) {
        for &candidate in moved {
            let Standing { mean, first, .. } = self.standings[candidate as usize];
            if !self.is_mean_of_a_top(mean) {
                continue;
            }
            let words = self.membership(candidate);
            for slot in bits::slots(&words) {
                let top = self.top[slot];
                let is_last = mean == self.top_mean[slot]
                    && order_of(first, candidate)
                        > order_of(self.standings[top as usize].first, top);
                if is_last {
                    self.set_top(slot, candidate);
                }
            }
            // The candidate may be a top now, and those are kept exact.
            let standing = &mut self.standings[candidate as usize];
            standing.held = count(&words) as u32;
            standing.entered = words.into_boxed_slice();
        }
    }

    /// Whether the lowest top at the last settling has at most this mean: most newcomers have less
    /// and need no closer look.
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
        if former != NOBODY {
            self.standings[former as usize].led -= 1;
        }
        let standing = &mut self.standings[candidate as usize];
        if standing.led == 0 {
            self.tops.push(TopKey::new(standing.mean, candidate));
        }
        standing.led += 1;
        self.top[slot] = candidate;
        self.top_mean[slot] = standing.mean;
        self.unsettled = true;
    }
}

fn count(words: &[u64]) -> usize {
    words.iter().map(|word| word.count_ones() as usize).sum()
}
