//! What the engine is measured against: simulated worlds, served over loopback or in process.

pub mod worlds;
