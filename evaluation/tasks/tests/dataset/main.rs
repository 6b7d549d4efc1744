//! Datasets, their splits, scorers and the rollouts over them.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod columnar;
mod loading;
mod rollouts;
mod scoring;
mod scoring_kinds;
mod scoring_outside;
mod splitting;
