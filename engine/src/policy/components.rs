//! Which components of a parent a reflection rewrites.

use gepa_archive::{Candidate, CandidateIndex};

use crate::config::ComponentSelection;

/// A parent about to be reflected on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ComponentQuestion<'a> {
    /// The iteration, from 1.
    pub iteration: u64,
    /// The parent.
    pub parent: CandidateIndex,
    /// Its texts; a component is named by its position in them.
    pub candidate: &'a Candidate,
    /// The component whose turn it is, below the number of components. The core moves the turn on
    /// by one after each question if the policy [takes turns](ComponentSelector::takes_turns).
    pub turn: usize,
}

/// Decides which components are rewritten.
///
/// The core asks once for each reflection and rewrites the components in the order of the answer.
/// It leaves out positions that do not exist and repetitions, and cuts the answer to
/// [`most`](Self::most) components. If nothing is left, it rewrites the component whose turn it is.
///
/// The policy names 1 to `most` different positions. Its answer depends only on this question and
/// earlier ones.
pub trait ComponentSelector: Send {
    /// Positions of the components to rewrite.
    fn select(&mut self, question: &ComponentQuestion<'_>) -> Vec<usize>;

    /// The most components that one answer names for a candidate with `components` components. The
    /// reflection budget covers that many before a proposal begins.
    fn most(&self, components: usize) -> usize {
        components
    }

    /// Whether each answer is the component whose turn it is. A turn that led to no reflection is
    /// then given back, and children inherit the turn of their parent.
    fn takes_turns(&self) -> bool {
        false
    }

    /// Whether another process gives the same answers to the same questions, from the configuration
    /// and this value alone. If not, the answers are journaled; see [`Policies`](super::Policies).
    fn replayable(&self) -> bool {
        false
    }
}

impl ComponentSelector for ComponentSelection {
    fn select(&mut self, question: &ComponentQuestion<'_>) -> Vec<usize> {
        match self {
            Self::RoundRobin => vec![question.turn],
            Self::All => (0..question.candidate.components().len()).collect(),
        }
    }

    fn most(&self, components: usize) -> usize {
        match self {
            Self::RoundRobin => 1,
            Self::All => components,
        }
    }

    fn takes_turns(&self) -> bool {
        *self == Self::RoundRobin
    }

    fn replayable(&self) -> bool {
        true
    }
}
