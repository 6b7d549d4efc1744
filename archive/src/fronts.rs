//! The fronts: which candidates hold the best value under each key, and which candidates survive
//! the removal of redundant ones.
//!
//! # Definition
//!
//! Per key the front is the set of candidates with the greatest value (exact comparison).
//! *Survivors*: order the candidates that are in any front ascending by (mean, first front,
//! index), where the first front is the one with the lowest key rank. Repeatedly remove the first
//! candidate for which every front that contains it also contains another remaining candidate.
//! A survivor's *weight* is the number of fronts it is in. (This is the redundancy removal of the
//! reference implementation, not vector dominance.)
//!
//! # One pass suffices
//!
//! Removing a candidate only shrinks fronts. So a candidate that could not be removed never becomes
//! removable, and one ascending walk gives the same result as the repeated search for the first.
//!
//! # Only tops matter
//!
//! Call the last member of a front in walking order its *top*. When the walk reaches `p` and looks
//! at a front `f` that contains it, every later member is still there, and every earlier member has
//! been removed or has survived. So `p` is the only remaining member of `f` iff no later member
//! exists (`p` is the top of `f`) and no earlier member survived (`f` is not covered). Hence `p`
//! survives iff it is the top of a front that contains no earlier survivor. The walk need only
//! visit the distinct tops: at most one per key, for any number of candidates. Candidates that are
//! not tops are always removed, and a removed candidate covers nothing.
//!
//! # What is stored
//!
//! Per front: its best value, the candidate that last won it strictly (`epoch_start`), and its top.
//! Per candidate: a bitset of the fronts it ever entered. A bit counts only while the candidate is
//! not older than the front's epoch. So when a front is won, the bitsets of the candidates that
//! lost it need no change. The bitsets of tops are changed, because the walk reads them and they
//! must be exact. First fronts only move to higher ranks (until an eviction rebuilds all fronts):
//! each front keeps the chain of candidates whose first front it is, and when it is won, these
//! candidates move to their next front. A moved candidate comes later among equal means, so it may
//! become the top of a front in which means tie.

mod entering;
mod first;
mod record;
mod survival;
mod survivor;
mod table;

pub(crate) use entering::Entered;
pub(crate) use survival::Shift;
pub use survivor::Survivor;
pub(crate) use survivor::SurvivorList;
pub(crate) use table::FrontTable;
