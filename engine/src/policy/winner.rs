//! Which candidates are the result of a run.

use gepa_archive::{Archive, CandidateIndex};

/// Ranks candidates at the end of the search.
///
/// The core asks once, when nothing is in flight any more. The first candidate of the answer is the
/// run's result; the first `validation.top_k` other than the seed are scored on the held-out
/// examples. The core leaves out candidates that are not live, and repetitions.
///
/// The policy names up to `count` different live candidates, the best first, and at least one if
/// the archive holds one. The answer depends on the archive alone.
pub trait WinnerChoice: Send {
    /// Up to `count` live candidates, the best first.
    fn rank(&mut self, archive: &Archive, count: usize) -> Vec<CandidateIndex>;

    /// Whether another process gives the same answers to the same questions, from the configuration
    /// and this value alone. If not, the answers are journaled; see [`Policies`](super::Policies).
    fn replayable(&self) -> bool {
        false
    }
}

/// By mean pareto score, the candidate with the lower index among equals.
#[derive(Clone, Copy, Debug, Default)]
pub struct BestMean;

impl WinnerChoice for BestMean {
    fn rank(&mut self, archive: &Archive, count: usize) -> Vec<CandidateIndex> {
        archive.top(count)
    }

    fn replayable(&self) -> bool {
        true
    }
}
