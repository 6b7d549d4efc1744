//! The run's append-only journal: facts that came from outside, and the decisions made from them.
//!
//! *Facts* ([`Fact`]) are journaled when they arrive and before anything uses them.
//! *Decisions* ([`Decision`]) are functions of the facts before them: replaying the facts makes them again. Under
//! the ordered schedule they are the same at any concurrency; only facts arrive in another order.

mod archive;
mod body;
mod policy;
mod proposal;
mod reflection;
mod run;
mod trial;

pub use archive::*;
pub use body::{Decision, Event, EventBody, Fact, JOURNAL_FORMAT};
pub use policy::*;
pub use proposal::*;
pub use reflection::*;
pub use run::*;
pub use trial::*;
