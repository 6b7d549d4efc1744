//! A server on loopback: jobs with scripted evaluators, from submission to every answer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "scripts are written where they are used"
)]

mod ablations;
mod access;
mod client;
mod days;
mod envelope;
mod keys;
mod labels;
mod restarts;
mod results;
mod steering;
mod streams;
mod submissions;
mod world;
