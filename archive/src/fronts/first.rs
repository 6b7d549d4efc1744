//! First fronts: which of a candidate's fronts comes first in key order.

use super::standing::NO_RANK;
use super::{FrontTable, LATE, NOBODY};
use crate::bits::WORD;

impl FrontTable {
    /// Moves everyone whose first front was `slot` to the next front they are still in.
    pub(super) fn move_first_holders(&mut self, slot: usize, moved: &mut Vec<u32>) {
        let mut holder = std::mem::replace(&mut self.first_holder[slot], NOBODY);
        while holder != NOBODY {
            let next = self.standings[holder as usize].next_holder;
            let first = self.next_rank(holder);
            self.hold_first(holder, first);
            moved.push(holder);
            holder = next;
        }
    }

    /// Makes a front, given by its rank, the candidate's first.
    pub(super) fn hold_first(&mut self, candidate: u32, first: u32) {
        let mut next = NOBODY;
        if first != NO_RANK {
            let slot = (first & !LATE) as usize;
            next = std::mem::replace(&mut self.first_holder[slot], candidate);
        }
        let standing = &mut self.standings[candidate as usize];
        standing.first = first;
        standing.next_holder = next;
    }

    /// The place of a front in key order.
    pub(super) fn rank(&self, slot: usize) -> u32 {
        let late = self.any_late && self.late[slot / WORD] >> (slot % WORD) & 1 == 1;
        if late {
            slot as u32 | LATE
        } else {
            slot as u32
        }
    }

    /// The lowest rank among the fronts in `words`.
    pub(super) fn first_rank(&self, words: &[u64]) -> u32 {
        let early = words
            .iter()
            .zip(&self.late)
            .map(|(word, late)| word & !late);
        if let Some(slot) = first_slot(early) {
            return slot;
        }
        let late = words.iter().zip(&self.late).map(|(word, late)| word & late);
        first_slot(late).map_or(NO_RANK, |slot| slot | LATE)
    }

    /// The lowest rank among the fronts a candidate is still in. Bits of lost fronts are dropped
    /// on the way, so that none is looked at twice.
    fn next_rank(&mut self, candidate: u32) -> u32 {
        if let Some(slot) = self.next_slot(candidate, false) {
            return slot;
        }
        let late = if self.any_late {
            self.next_slot(candidate, true)
        } else {
            None
        };
        late.map_or(NO_RANK, |slot| slot | LATE)
    }

    fn next_slot(&mut self, candidate: u32, among_late: bool) -> Option<u32> {
        for position in 0..self.standings[candidate as usize].entered.len() {
            let late = self.late[position];
            let wanted = if among_late { late } else { !late };
            let held = self.held_mask(candidate, position);
            let standing = &mut self.standings[candidate as usize];
            standing.lose(position, !held);
            let found = standing.entered[position] & wanted;
            if found != 0 {
                return Some((position * WORD) as u32 + found.trailing_zeros());
            }
        }
        None
    }
}

fn first_slot(words: impl Iterator<Item = u64>) -> Option<u32> {
    words
        .enumerate()
        .find(|&(_, word)| word != 0)
        .map(|(position, word)| (position * WORD) as u32 + word.trailing_zeros())
}
