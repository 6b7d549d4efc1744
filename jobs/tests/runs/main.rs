//! Complete runs of config files from Rust.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod main_job;
mod status;
