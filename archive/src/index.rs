//! The dense indices of an archive's candidates and pareto instances.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A candidate's place in its run: dense, in insertion order, 0 is the seed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct CandidateIndex(pub u32);

impl CandidateIndex {
    /// The index as a position in a slice.
    pub fn position(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for CandidateIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A pareto instance: an example of the set over which the fronts are kept.
///
/// Any numbering works. Merge subsets visit the instances in ascending order of this index.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct InstanceIndex(pub u32);

impl fmt::Display for InstanceIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
