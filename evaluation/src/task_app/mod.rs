//! Candidates evaluated by HTTP task apps, whose model calls go through the interceptor.

mod settings;

pub use settings::{PipelineModule, TaskAppSettings};
