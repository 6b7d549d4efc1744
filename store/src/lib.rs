//! Storage of runs: the implementations of the engine's [`Store`](gepa_engine::Store).

mod copy;
mod doctor;
mod location;
mod memory;
mod numbering;
mod sqlite;

pub use copy::{Copied, CopyError, copy_run};
pub use doctor::{Difference, rebuild, replayed};
pub use location::{is_in_memory, open, open_existing, repair, without_password};
pub use memory::MemoryStore;
pub use numbering::{check_numbering, misfit};
pub use sqlite::SqliteStore;
