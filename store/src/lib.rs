//! Where runs are kept: the implementations of the engine's [`Store`](gepa_engine::Store).

mod location;
mod memory;
mod projection;
mod sqlite;

pub use location::{open, open_existing};
pub use memory::MemoryStore;
pub use sqlite::SqliteStore;
