//! Runs in PostgreSQL, shared by engines on many machines: an implementation of the engine's
//! [`Store`](gepa_engine::Store).
//!
//! A run is owned through a row with owner, token and expiry in the time of the database. Every
//! append names the token in its own transaction, so a process that lost its run cannot write.
//! Statements are sent unnamed, so that a pooler such as pgbouncer may stand in between in
//! transaction mode; `prepare=true` in the URL keeps them prepared on direct connections.

mod address;
mod append;
mod changes;
mod claims;
mod create;
mod database;
mod deletion;
mod failure;
mod inserts;
mod keeper;
mod labels;
mod listener;
mod location;
mod pipeline;
mod queue;
mod read;
mod reproject;
mod runs;
mod schema;
mod shared;
mod store;
mod tls;
mod value;

pub use location::{is_postgres, open, open_existing, repair};
pub use queue::TenantLimits;
pub use store::PostgresStore;
