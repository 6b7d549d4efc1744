//! The right of one rollout attempt to call the model.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gepa_archive::Candidate;

use super::record::CallRecord;
use super::registry::{LeaseState, Registry};
use super::substitution::SubstitutionPlan;
use gepa_models::ChatModel;

/// What holds for the calls of one rollout attempt.
#[derive(Clone, Debug)]
pub struct LeaseTerms {
    /// How the candidate gets into the app's messages.
    pub plan: Arc<SubstitutionPlan>,
    /// What gets in.
    pub candidate: Arc<Candidate>,
    /// The model that answers, whatever model the app asks for.
    pub policy: Arc<ChatModel>,
    /// The longest an answer may take.
    pub answer_within: Duration,
}

/// An address for one rollout attempt. Dropped, its id is dead and calls under way end.
pub struct Lease {
    pub(super) registry: Arc<Registry>,
    pub(super) state: Arc<LeaseState>,
    pub(super) trial_id: String,
    pub(super) trace_id: String,
    pub(super) inference_url: String,
}

impl Lease {
    /// Where the app sends its calls: `http://HOST:PORT/v1/<trial id>?cid=<trace id>`. Whoever knows
    /// it can spend on the run's account while the lease lasts.
    pub fn inference_url(&self) -> &str {
        &self.inference_url
    }

    /// The id that correlates the app's records with these calls; no secret.
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// Ends the lease and hands over what was called. A call still under way counts as abandoned,
    /// its tokens as an estimate.
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
