//! The data that the fronts keep about one candidate, and its place in walking order.

use crate::ranking::ascending_bits;

/// Stands for no candidate where a candidate's index is stored.
pub(super) const NO_CANDIDATE: u32 = u32::MAX;

/// The rank of the first front of a candidate that is in no front.
pub(super) const NO_RANK: u32 = u32::MAX;

/// One candidate's place among the fronts.
#[derive(Clone, Debug)]
pub(super) struct FrontRecord {
    pub(super) mean: f64,
    /// Rank of the first front that contains the candidate; [`NO_RANK`] if none does.
    pub(super) first: u32,
    /// The next candidate with the same first front.
    pub(super) next_holder: u32,
    /// Number of fronts of which it is the top.
    pub(super) led: u32,
    /// During a walk: how many of these fronts no survivor covers yet.
    pub(super) uncovered: u32,
    /// Number of bits in `entered`. For a top this is its weight.
    pub(super) held: u32,
    pub(super) surviving: bool,
    /// The fronts it entered. Exact for tops; for other candidates it may contain lost fronts.
    pub(super) entered: Box<[u64]>,
}

/// A top in walking order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TopKey {
    /// The mean as an integer of the same order.
    pub(super) mean: u64,
    /// First front and index.
    pub(super) order: u64,
}

impl FrontRecord {
    pub(super) fn outside(mean: f64) -> Self {
        Self {
            mean,
            first: NO_RANK,
            next_holder: NO_CANDIDATE,
            led: 0,
            uncovered: 0,
            held: 0,
            surviving: false,
            entered: Box::default(),
        }
    }

    /// Clears all memberships. The chain link stays, because the chain continues through it.
    /// `surviving` stays until the next walk sets it.
    pub(super) fn leave_all(&mut self) {
        self.led = 0;
        self.held = 0;
        self.entered = Box::default();
    }

    /// Clears the fronts in `lost`, one word of the bitset.
    pub(super) fn lose(&mut self, position: usize, lost: u64) {
        if let Some(word) = self.entered.get_mut(position) {
            self.held -= (*word & lost).count_ones();
            *word &= !lost;
        }
    }
}

impl TopKey {
    /// The first front is set when the tops are sorted.
    pub(super) fn new(mean: f64, candidate: u32) -> Self {
        Self {
            mean: ascending_bits(mean),
            order: order_of(0, candidate),
        }
    }

    pub(super) fn candidate(self) -> u32 {
        candidate_of(self.order)
    }
}

/// Orders candidates by first front, then index.
pub(super) fn order_of(first: u32, candidate: u32) -> u64 {
    u64::from(first) << 32 | u64::from(candidate)
}

/// The candidate of an order that [`order_of`] made.
pub(super) fn candidate_of(order: u64) -> u32 {
    order as u32
}
