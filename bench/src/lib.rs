//! What the engine is measured against: simulated worlds, served over loopback or in process, and the
//! ways of scheduling that are compared in them.

pub mod draws;
pub mod schedules;
pub mod worlds;
