//! Jobs in the `[prompt_learning]` dialect: how they are translated, and which are refused.
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
