//! Candidates by mean score.

use std::collections::BTreeSet;

use crate::CandidateIndex;

/// The live candidates, best mean first, ties by lower index.
///
/// A balanced tree, because the best, the top k and the worst are read far more often than they
/// change, and the cost of reading them must not grow with the archive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranking(BTreeSet<(u64, CandidateIndex)>);

impl Ranking {
    pub(crate) fn insert(&mut self, mean: f64, candidate: CandidateIndex) {
        self.0.insert((!ascending_bits(mean), candidate));
    }

    pub(crate) fn remove(&mut self, mean: f64, candidate: CandidateIndex) {
        self.0.remove(&(!ascending_bits(mean), candidate));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Best first; among equal means the lower index first.
    pub(crate) fn descending(&self) -> impl DoubleEndedIterator<Item = CandidateIndex> + '_ {
        self.0.iter().map(|&(_, candidate)| candidate)
    }

    /// Estimated bytes. Tree nodes are between half full and full.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.0.len() * 2 * size_of::<(u64, CandidateIndex)>()
    }
}

/// Maps a float that is not NaN to an integer of the same order. Both zeros give the same integer.
pub(crate) fn ascending_bits(value: f64) -> u64 {
    const SIGN: u64 = 1 << 63;
    let bits = (value + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}
