//! What tests of decisions need: the reference implementation's generator, and the world its
//! recorded runs took place in.

mod mersenne;
mod world;

pub use mersenne::MersenneTwister;
pub use world::{Rewriting, World};
