//! Process evaluators against children that work and children that misbehave.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod batches;
mod documented;
mod faults;
mod lifetime;
mod setup;
