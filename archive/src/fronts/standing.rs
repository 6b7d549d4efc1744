//! What the fronts know of one candidate.

use super::NOBODY;

/// The first front of a candidate that is in none.
pub(super) const NO_RANK: u32 = u32::MAX;

#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) mean: f64,
    /// Rank of the first front the candidate is in, [`NO_RANK`] if none.
    pub(super) first: u32,
    /// The next candidate with the same first front.
    pub(super) next_holder: u32,
    /// Number of fronts whose top it is.
    pub(super) led: u32,
    /// During a walk: fronts among those that no survivor covers yet.
    pub(super) uncovered: u32,
    /// Number of bits in `entered`; for a top, its weight.
    pub(super) held: u32,
    pub(super) surviving: bool,
    /// Fronts entered; exact for tops, may contain lost fronts for others.
    pub(super) entered: Box<[u64]>,
}

impl Standing {
    pub(super) fn outside(mean: f64) -> Self {
        Self {
            mean,
            first: NO_RANK,
            next_holder: NOBODY,
            led: 0,
            uncovered: 0,
            held: 0,
            surviving: false,
            entered: Box::default(),
        }
    }

    /// Forgets all memberships. The chain link stays, because others may hang on it, and whether
    /// the candidate survives is for the next walk to say.
    pub(super) fn leave_all(&mut self) {
        self.led = 0;
        self.held = 0;
        self.entered = Box::default();
    }

    /// Drops some fronts of one word.
    pub(super) fn lose(&mut self, position: usize, lost: u64) {
        if let Some(word) = self.entered.get_mut(position) {
            self.held -= (*word & lost).count_ones();
            *word &= !lost;
        }
    }
}

/// Orders candidates by first front, then index.
pub(super) fn order_of(first: u32, candidate: u32) -> u64 {
    u64::from(first) << 32 | u64::from(candidate)
}

/// The candidate in what [`order_of`] gave.
pub(super) fn candidate_of(order: u64) -> u32 {
    order as u32
}
