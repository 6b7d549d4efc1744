//! The routes.

mod artifacts;
mod events;
mod jobs;
mod operations;
pub(crate) mod query;
mod records;
mod table;

pub use events::MAX_EVENTS;
pub use operations::OPENAPI;
pub use table::route_paths;
pub(crate) use table::router;
