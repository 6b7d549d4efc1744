//! The pure decisions of the search that are not the archive's.

mod sampler;

pub use sampler::EpochShuffled;
