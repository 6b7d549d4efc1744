//! Simulated worlds, served over loopback or in process, in which the engine is measured, and the
//! ways of scheduling that are compared in them.

pub mod draws;
pub mod schedules;
mod watched;
pub mod worlds;

pub use watched::watched;
