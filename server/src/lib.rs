//! Runs over HTTP: jobs submitted, worked on, watched and steered, in the shapes that prompt
//! learning clients know.
//!
//! Holds no state of a run: every answer is read from the store, and a server started again on the
//! same store goes on where the last one stopped. Listens on nothing by itself: the application
//! binds a listener and hands it to [`Server::serve`].

mod auth;
mod events;
mod failure;
mod jobs;
mod listener;
mod routes;
mod server;
mod settings;
mod telemetry;

pub use jobs::{ConfiguredJobs, JobSource, OutageSettings, PreparedJob};
pub use routes::{MAX_EVENTS, OPENAPI, route_paths};
pub use server::Server;
pub use settings::ServerSettings;
