//! The right of one rollout attempt to call the model.

use std::fmt;
use std::sync::Arc;

use super::record::CallRecord;
use super::registry::{LeaseState, Registry};

/// An address for one rollout attempt. Dropping it invalidates its id and ends its calls in flight.
pub struct Lease {
    pub(super) registry: Arc<Registry>,
    pub(super) state: Arc<LeaseState>,
    pub(super) trial_id: String,
    pub(super) trace_id: String,
    pub(super) inference_url: String,
}

impl Lease {
    /// The address of the app's model calls: `http://HOST:PORT/v1/<trial id>?cid=<trace id>`. Every
    /// program that knows it can spend on the run's account while the lease lasts.
    pub fn inference_url(&self) -> &str {
        &self.inference_url
    }

    /// The id that correlates the app's records with these calls; no secret.
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// Ends the lease and returns the record of its calls. A call still in flight counts as
    /// abandoned, and its tokens as an estimate.
    pub fn close(self) -> Vec<CallRecord> {
        self.registry.remove(&self.trial_id);
        self.state.end()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address is a credential.
        formatter
            .debug_struct("Lease")
            .field("trace_id", &self.trace_id)
            .finish_non_exhaustive()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.registry.remove(&self.trial_id);
        self.state.end();
    }
}
