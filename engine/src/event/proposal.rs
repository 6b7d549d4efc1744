//! The events of an iteration, from its parents to the decision about its child.

use gepa_archive::{Candidate, CandidateIndex, ContentId, Origin};
use gepa_evaluation::ExampleId;
use serde::{Deserialize, Serialize};

/// An iteration's parents and minibatch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProposalIssued {
    /// The iteration, from 1.
    pub iteration: u64,
    /// How its candidate will be made.
    pub origin: Origin,
    /// One parent for a reflection, two for a merge, none for an injected candidate.
    pub parents: Vec<CandidateIndex>,
    /// The examples the gate will compare on.
    pub examples: Vec<ExampleId>,
    /// The components to rewrite. If a sibling in the generation with the same parent needs no
    /// reflection, the sibling's turn passes to the next one.
    pub components: Vec<String>,
}

/// A new candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateProposed {
    /// The iteration.
    pub iteration: u64,
    /// How the candidate was made.
    pub origin: Origin,
    /// Its parents in the archive.
    pub parents: Vec<CandidateIndex>,
    /// The candidate, complete.
    pub candidate: Candidate,
}

/// The comparison at the gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateDecided {
    /// The iteration.
    pub iteration: u64,
    /// The child.
    pub candidate: ContentId,
    /// Whether the child passed the gate and goes on to the pareto set.
    pub passed: bool,
    /// Examples on which both sides have a score; only these are compared.
    pub compared: u32,
    /// The sum of the parent's scores on them; for a merge, of the better parent.
    pub parent_sum: f64,
    /// Sum of the child's scores on them.
    pub child_sum: f64,
    /// The candidate a stale child was compared with in its parent's place; only in journals of former
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<CandidateIndex>,
}

/// The detail of a proposal that ended because the reply it shares with others held no text for it.
pub(crate) const NO_FURTHER_TEXT: &str = "the reply holds no further text";

/// The end of an iteration without an acceptance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProposalClosed {
    /// The iteration.
    pub iteration: u64,
    /// Why the iteration ended.
    pub reason: CloseReason,
    /// Details, as a text for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The number of rollouts executed on the pareto set that were not needed in the end.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub wasted: u64,
}

/// Why an iteration ended without an acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CloseReason {
    /// The child did not score higher than its parent on the minibatch.
    Gate,
    /// The child passed the gate, but other children of its generation gained more.
    Outranked,
    /// The parent's minibatch was perfect already.
    Perfect,
    /// No rollout of the parent had a score to reflect on.
    NoScores,
    /// Parent and child have no scored example in common.
    NothingToCompare,
    /// The reflection model gave no usable text.
    Reflection,
    /// The candidate is known already or equals its parent.
    Duplicate,
    /// The rest of the budget does not cover the pareto set.
    Budget,
    /// The child passed the gate too late: other children overtook it or its parent left the front.
    /// `run.stale_children` then ended it.
    Stale,
    /// The policy that decides on rows of pareto scores dropped the candidate.
    Dropped,
    /// Too many rollouts on the pareto set failed.
    TooManyFailures,
    /// The run stopped before the iteration was decided on.
    Stopped,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde asks for"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
