//! A call's place at a server of limited capacity.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Answer;
use super::capacity::{Demand, Verdict};
use super::fault::{Fault, RetryAfter};
use super::request::ModelCall;
use super::shared::Shared;

/// A call that is being served. Dropping it frees its place.
pub(super) struct Place {
    shared: Arc<Shared>,
    /// How long serving the call takes, waiting included.
    pub(super) wait: Duration,
    tokens: Option<u64>,
}

impl Place {
    /// A place for the call, or the refusal that is sent.
    pub(super) fn of(call: &ModelCall, shared: &Arc<Shared>) -> Result<Self, Answer> {
        let mut place = Self {
            shared: Arc::clone(shared),
            wait: Duration::ZERO,
            tokens: None,
        };
        let Some(capacity) = &shared.capacity else {
            return Ok(place);
        };
        let usage = (shared.handler)(call).usage_for(call);
        let tokens = usage.prompt_tokens + usage.completion_tokens;
        let mut capacity = capacity.lock();
        let demand = Demand {
            service: capacity.plan().service_time(call.last_message()),
            tokens,
        };
        let fault = match capacity.arrives(demand, Instant::now()) {
            Verdict::Served { after } => {
                place.wait = after;
                place.tokens = Some(tokens);
                return Ok(place);
            }
            Verdict::Down => Fault::ResetBeforeHeaders,
            Verdict::Refused {
                status,
                retry_after: Some(seconds),
            } => Fault::status_with_retry_after(status, RetryAfter::Seconds(seconds)),
            Verdict::Refused { status, .. } => Fault::status(status),
        };
        drop(capacity);
        Err(Answer::to(call, Some(&fault), shared))
    }

    /// The call has been served.
    pub(super) fn served(mut self) {
        self.leave(self.tokens);
    }

    fn leave(&mut self, tokens: Option<u64>) {
        if self.tokens.take().is_some()
            && let Some(capacity) = &self.shared.capacity
        {
            capacity.lock().ends(tokens, Instant::now());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave(None);
    }
}
