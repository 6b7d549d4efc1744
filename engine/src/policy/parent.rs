//! Which candidate becomes the next parent.

use gepa_archive::{Archive, CandidateIndex, Draw, ParentRule};

/// A proposal that needs a parent.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ParentQuestion<'a> {
    /// The first iteration the parent is drawn for, from 1.
    pub iteration: u64,
    /// The archive after all decisions so far. It holds at least the seed.
    pub archive: &'a Archive,
}

/// Chooses parents.
///
/// The core asks once for each parent of a generation. `draw` is a separate stream for each question,
/// so a policy may draw any number of times. If the answer is not a live candidate, the core takes the best one.
///
/// The policy names a live candidate; `None` only where there is none. All its randomness comes
/// from `draw`.
pub trait ParentSelector: Send {
    /// A live candidate of the archive.
    fn select(
        &mut self,
        question: &ParentQuestion<'_>,
        draw: &mut dyn Draw,
    ) -> Option<CandidateIndex>;

    /// Whether a candidate could be chosen now or after any further insertions. `false` is final:
    /// the core forgets the candidate's minibatch outcomes.
    fn may_be_selected(&self, archive: &Archive, candidate: CandidateIndex) -> bool {
        let _ = (archive, candidate);
        true
    }

    /// Whether another process gives the same answers to the same questions, from the configuration
    /// and this value alone. If not, the answers are journaled; see [`Policies`](super::Policies).
    fn replayable(&self) -> bool {
        false
    }
}

impl ParentSelector for ParentRule {
    fn select(
        &mut self,
        question: &ParentQuestion<'_>,
        draw: &mut dyn Draw,
    ) -> Option<CandidateIndex> {
        question.archive.select(self, draw)
    }

    fn may_be_selected(&self, archive: &Archive, candidate: CandidateIndex) -> bool {
        archive.may_be_selected(candidate, self)
    }

    fn replayable(&self) -> bool {
        true
    }
}
