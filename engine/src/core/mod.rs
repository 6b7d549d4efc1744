//! The run's state and every decision made from it. Nothing here waits.
//!
//! Facts go in one at a time; decisions and orders come out. The same facts in the same order give
//! the same decisions, however they are batched. Resuming, replaying and the guarantees of the
//! schedules rest on this.

mod acts;
mod commit;
#[cfg(test)]
mod conformance;
mod failures;
mod finish;
mod generation;
mod growth;
mod hypotheses;
mod intake;
mod issue;
mod ledger;
mod limits;
mod member;
mod memory;
mod order;
mod pace;
mod priority;
mod progress;
mod promise;
mod proposal;
mod refinement;
mod rejected;
mod row;
mod rungs;
mod scale;
mod scorings;
mod settings;
mod sharing;
mod speculation;
mod staleness;
mod state;
mod steering;
#[cfg(test)]
mod tests;
mod trial;
mod work;

pub use acts::{MOST_HINT_CHARS, Steering, SteeringRefused};
pub(crate) use growth::Growth;
pub(crate) use limits::{LimitsRefused, ValidationAhead};
pub(crate) use priority::Priority;
pub(crate) use state::{Core, archive_settings, ranks};
pub(crate) use work::{ReflectionWork, RolloutWork, Work};
