//! Putting a candidate into what a task app sends: pure functions of the messages.

mod apply;
mod content;
mod pattern;
mod plan;
mod refusal;

pub use plan::{Placed, Rule, Substitution, SubstitutionPlan};
pub use refusal::Refusal;
