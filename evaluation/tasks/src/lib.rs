//! What runs candidates on examples: datasets with scorers, child processes, and HTTP task apps
//! with the interceptor that answers their model calls.

pub mod dataset;
pub mod decoding;
pub mod http_listener;
pub mod interceptor;
pub mod process;
pub mod scorer;
mod services;
pub mod task_app;

pub use services::Services;
