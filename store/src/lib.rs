//! Where runs are kept: the implementations of the engine's [`Store`](gepa_engine::Store).

mod memory;
mod projection;

pub use memory::MemoryStore;
