//! Whole runs of config files, as a job runner makes them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod main_job;
mod status;
