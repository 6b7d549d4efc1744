//! `rulebook`: a deterministic instruction follower that needs no network.
//!
//! As the policy it reads the rules in a prompt and applies them. As the reflection model it reads
//! the reflection prompt and rewrites the rules from the examples shown there. It sees exactly what
//! a real model would see. It is no language model and is never presented as one.
//! `docs/rulebook.md` documents its grammar.

mod additions;
mod condition;
mod dice;
mod feedback;
mod forms;
mod grammar;
mod inputs;
mod learner;
mod model;
mod proposals;
mod reflection_prompt;
mod shape;
mod sheet;
mod text_proposals;
mod value_proposals;
mod writing;

#[cfg(test)]
mod tests;

pub use model::RulebookModel;
