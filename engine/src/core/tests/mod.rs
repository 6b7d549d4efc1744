//! The core without a run around it.

mod growing;
mod guarantees;
mod hypotheses;
mod in_flight;
mod interleaving;
mod priorities;
mod repeats;
mod rows;
mod schedules;
mod steering;
mod world;

pub(super) use world::{World, shuffler};
