//! Keeps, for each candidate, which of its fronts comes first in key order.

use super::record::{NO_CANDIDATE, NO_RANK};
use super::table::FrontTable;
use crate::bits::WORD;

/// Set in the rank of a front that comes after all others (see `KeyLayout::is_late`).
const LATE: u32 = 1 << 31;

impl FrontTable {
    /// Moves every candidate whose first front was `slot` to the next front it is still in.
    pub(super) fn move_first_holders(&mut self, slot: usize, moved: &mut Vec<u32>) {
        let mut holder = std::mem::replace(&mut self.first_holder[slot], NO_CANDIDATE);
        while holder != NO_CANDIDATE {
            let next = self.records[holder as usize].next_holder;
            let first = self.next_rank(holder);
            self.hold_first(holder, first);
            moved.push(holder);
            holder = next;
        }
    }

    /// Makes the front with rank `first` the candidate's first front.
    pub(super) fn hold_first(&mut self, candidate: u32, first: u32) {
        let mut next = NO_CANDIDATE;
        if first != NO_RANK {
            let slot = (first & !LATE) as usize;
            next = std::mem::replace(&mut self.first_holder[slot], candidate);
        }
        let record = &mut self.records[candidate as usize];
        record.first = first;
        record.next_holder = next;
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

    /// The lowest rank among the fronts that a candidate is still in. Clears the bits of lost
    /// fronts, so that no later call looks at them again.
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
        for position in 0..self.records[candidate as usize].entered.len() {
            let late = self.late[position];
            let wanted = if among_late { late } else { !late };
            let held = self.held_mask(candidate, position);
            let record = &mut self.records[candidate as usize];
            record.lose(position, !held);
            let found = record.entered[position] & wanted;
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
