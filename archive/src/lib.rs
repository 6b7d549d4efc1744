//! The Pareto archive: candidates, their score rows, the fronts over them, and who becomes a parent.
//!
//! Pure by construction: no I/O, no clock, no async runtime and no randomness of its own. Every
//! random decision takes a [`Draw`], so the caller decides where randomness comes from.

mod archive;
mod bits;
mod candidate;
pub mod dominance;
mod draw;
mod error;
mod eviction;
mod fronts;
mod index;
mod keys;
mod merge;
mod ranking;
mod row;
mod selection;
#[cfg(feature = "testing")]
pub mod testing;

pub use archive::{Archive, ArchiveSettings, Entry, Front, FrontListing, Insertion};
pub use candidate::{Candidate, CandidateError, ContentId, Origin};
pub use draw::{Draw, choices_weighted, sample_indices, sample_with_replacement, shuffle};
pub use error::ArchiveError;
pub use fronts::Survivor;
pub use index::{CandidateIndex, InstanceIndex};
pub use keys::{FrontKey, Frontier};
pub use merge::{MergeLog, MergePlan, MergeSettings, plan_merge};
pub use row::{InstanceScore, ScoreRow};
pub use selection::{ParentSelector, SelectParent};
