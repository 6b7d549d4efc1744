//! The HTTP server: clients submit jobs, watch them, and pause, resume or cancel them. Requests and
//! answers have the shapes of the prompt-learning API.
//!
//! The server holds no state of a run. Every answer is read from the store, and a server started
//! again on the same store resumes the unfinished jobs. The application binds a listener and passes
//! it to [`Server::serve`].

mod ablation;
mod access;
mod app;
mod auth;
mod dashboard;
mod events;
mod failure;
mod jobs;
mod listener;
mod past_scores;
mod routes;
mod server;
mod settings;
mod steering;
mod telemetry;

pub use access::{AccessError, Role, TenantQuota};
pub use dashboard::{
    BestOfRuns, Birth, Blame, BlamedLine, Cause, Content, DeleteError, ExampleSet, NewestRuns,
    Part, ReportError, Resource, RunEntry, RunSelection, ViewError, Viewer, Views, delete_run,
    state_of, write_comparison, write_report,
};
pub use jobs::{Backlog, ConfiguredJobs, Fleet, JobSource, OutageSettings, PreparedJob};
pub use routes::{MAX_EVENTS, OPENAPI, route_paths};
pub use server::{Server, StartError};
pub use settings::ServerSettings;
pub use steering::{
    BadRequest, ControlSocket, Reached, SteerError, SteerRequest, Steered, ask, steer_here,
};
pub use telemetry::serve_metrics;
