//! The services that all runs of a process share.

use crate::interceptor::Interceptor;
use gepa_models::{Environment, Models};

/// The models with their limits, and the interceptor with its address.
#[derive(Debug)]
pub struct Services {
    /// Connects models; calls to one endpoint share its limits.
    pub models: Models,
    /// Answers the model calls of task apps.
    pub interceptor: Interceptor,
}

impl Services {
    /// Services that take keys and addresses from `environment`; nothing is bound or called yet.
    pub fn new(environment: Environment) -> Self {
        Self {
            interceptor: Interceptor::new(&environment),
            models: Models::new(environment),
        }
    }
}
