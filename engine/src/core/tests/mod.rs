//! The core without a run around it.

mod guarantees;
mod interleaving;
mod world;

pub(super) use world::{World, shuffler};
