//! The Pareto archive: candidates, their score rows, the fronts over them, and who becomes a parent.
//!
//! Pure by construction: no I/O, no clock, no async runtime and no randomness of its own. Every
//! random decision takes a [`Draw`], so the caller decides where randomness comes from.

mod candidate;
mod draw;
mod index;

pub use candidate::{Candidate, CandidateError, ContentId, Origin};
pub use draw::{Draw, choices_weighted, sample_indices, sample_with_replacement, shuffle};
pub use index::{CandidateIndex, InstanceIndex};
