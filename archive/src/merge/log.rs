//! Remembers which merges were proposed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::CandidateIndex;

/// The merges proposed so far, so that none is proposed twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeLog {
    /// Pairs with the ancestor they were merged over.
    pub(super) tried: BTreeSet<(CandidateIndex, CandidateIndex, CandidateIndex)>,
    /// Pairs with the source of each component, in ascending order of component names.
    pub(super) composed: BTreeSet<(CandidateIndex, CandidateIndex, Vec<CandidateIndex>)>,
}

impl MergeLog {
    /// Number of merges proposed so far.
    pub fn len(&self) -> usize {
        self.composed.len()
    }

    /// Whether no merge has been proposed yet.
    pub fn is_empty(&self) -> bool {
        self.composed.is_empty()
    }

    pub(super) fn has_tried(
        &self,
        [first, second]: [CandidateIndex; 2],
        ancestor: CandidateIndex,
    ) -> bool {
        self.tried.contains(&(first, second, ancestor))
    }
}
