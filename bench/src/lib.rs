//! Simulated worlds, served over loopback or in process, and tasks on real texts, in which the engine
//! is measured, and the ways of scheduling that are compared in them.

pub mod draws;
pub mod schedules;
pub mod searching;
pub mod texts;
mod wanted;
mod watched;
pub mod worlds;

pub use watched::watched;
