//! The Pareto archive: candidates, their score rows, the fronts over them, and who becomes a parent.
//!
//! Pure by construction: no I/O, no clock, no async runtime and no randomness of its own. Every
//! random decision takes a [`Draw`], so the caller decides where randomness comes from.
//!
//! ```
//! use std::sync::Arc;
//!
//! use gepa_archive::{
//!     Archive, ArchiveSettings, Candidate, CandidateIndex, Draw, InstanceIndex, InstanceScore,
//!     Origin, ParentRule, ScoreRow,
//! };
//! use indexmap::IndexMap;
//!
//! struct Always(u32);
//! impl Draw for Always {
//!     fn word(&mut self) -> u32 {
//!         self.0
//!     }
//! }
//!
//! fn row(scores: [f64; 2]) -> Result<ScoreRow, gepa_archive::ArchiveError> {
//!     let entry = |(instance, score)| InstanceScore {
//!         instance: InstanceIndex(instance),
//!         score,
//!         objectives: IndexMap::new(),
//!     };
//!     ScoreRow::new((0..).zip(scores).map(entry).collect())
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut archive = Archive::new(ArchiveSettings::default());
//! let seed = Candidate::new([("prompt", "Classify the message.")])?;
//! archive.insert(Arc::new(seed), vec![], Origin::Seed, &row([1.0, 0.0])?)?;
//! let child = Candidate::new([("prompt", "Classify the message. Think first.")])?;
//! let parents = vec![CandidateIndex(0)];
//! let insertion =
//!     archive.insert(Arc::new(child), parents, Origin::Reflection, &row([0.5, 1.0])?)?;
//!
//! assert!(insertion.front_changed && insertion.best_changed);
//! assert_eq!(archive.front().ids(), [CandidateIndex(0), CandidateIndex(1)]);
//! let parent = archive.select(&ParentRule::Pareto, &mut Always(0));
//! assert_eq!(parent, Some(CandidateIndex(0)));
//! # Ok(())
//! # }
//! ```

mod archive;
mod bits;
mod candidate;
mod draw;
mod error;
mod eviction;
mod fronts;
mod index;
mod keys;
mod merge;
mod mersenne;
mod ranking;
mod removal;
mod revision;
mod row;
mod selection;

pub use archive::{Archive, ArchiveSettings, Entry, Front, FrontListing, Insertion};
pub use candidate::{Candidate, CandidateError, ContentId, Origin};
pub use draw::{Draw, choices_weighted, sample_indices, sample_with_replacement, shuffle};
pub use error::ArchiveError;
pub use fronts::Survivor;
pub use index::{CandidateIndex, InstanceIndex};
pub use keys::{FrontKey, Frontier};
pub use merge::{MergeLog, MergePlan, MergeSettings, plan_merge};
pub use mersenne::MersenneTwister;
pub use revision::Extension;
pub use row::{InstanceScore, ScoreRow};
pub use selection::ParentRule;
