//! The run's append-only journal: facts that came from outside, and the decisions made from them.
//!
//! *Facts* ([`Fact`]) are journaled when they arrive and before anything uses them. *Decisions*
//! ([`Decision`]) are functions of the facts before them, so replaying the facts makes them again.
//! Under the ordered schedule the decisions are the same at any concurrency; only the order of the
//! facts differs.

mod archive;
mod body;
mod growing;
mod limits;
mod policy;
mod proposal;
mod reflection;
mod run;
mod steering;
mod trial;

pub use archive::*;
pub use body::{Decision, Event, EventBody, Fact, JOURNAL_FORMAT};
pub use growing::*;
pub use limits::*;
pub use policy::*;
pub use proposal::*;
pub use reflection::*;
pub use run::*;
pub use steering::*;
pub use trial::*;
