//! Jobs written in the `[prompt_learning]` dialect: what they become, and what is refused.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod genuine;
mod job;
mod mapping;
mod mapping_search;
mod overrides;
mod refusals;
mod secrets;
mod spellings;
mod submitted;
