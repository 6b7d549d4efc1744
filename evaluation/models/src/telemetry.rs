//! The metrics and spans of model calls. All their names are in this file.
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `gepa_llm_requests_total` | counter, one per attempt | provider, model, outcome |
//! | `gepa_llm_request_seconds` | histogram, one attempt without waiting | provider, model, outcome |
//! | `gepa_llm_in_flight` | gauge, attempts in flight | provider, model |
//! | `gepa_llm_tokens_total` | counter | provider, model, kind |
//! | `gepa_llm_limiter_wait_seconds` | histogram, one attempt's wait for a permit | provider, model |
//! | `gepa_llm_breaker_open` | gauge, 1 while the provider counts as down | provider |
//!
//! Outcomes: `ok`, `throttled`, `server_error`, `rejected`, `refused`, `connect`, `reset`, `timeout`,
//! `truncated`, `unreadable`, `no_answer`, `account`, `too_large`, `cancelled`. Kinds: `prompt`,
//! `completion`, `cached`, `unknown`. The span of a call with all its attempts is `llm.call`, with the
//! fields `provider`, `model`, `purpose`, `attempts` and `outcome`.

use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

use gepa_evaluation::{Purpose, Usage};

/// Records what one model does.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    provider: Arc<str>,
    model: Arc<str>,
}

/// An attempt in flight. Dropped without an outcome, it counts as cancelled.
#[derive(Debug)]
pub(super) struct AttemptTimer {
    meter: Meter,
    started: Instant,
    outcome: &'static str,
}

impl Meter {
    pub(super) fn new(provider: &str, model: &str) -> Self {
        Self {
            provider: provider.into(),
            model: model.into(),
        }
    }

    /// The span around a call and all its attempts.
    pub(super) fn call_span(&self, purpose: Purpose) -> Span {
        tracing::info_span!(
            "llm.call",
            provider = &*self.provider,
            model = &*self.model,
            purpose = purpose.as_str(),
            attempts = Empty,
            outcome = Empty,
        )
    }

    pub(super) fn waited(&self, wait: Duration) {
        let provider = Arc::clone(&self.provider);
        let model = Arc::clone(&self.model);
        histogram!("gepa_llm_limiter_wait_seconds", "provider" => provider, "model" => model)
            .record(wait.as_secs_f64());
    }

    pub(super) fn attempt(&self) -> AttemptTimer {
        self.in_flight().increment(1.0);
        AttemptTimer {
            meter: self.clone(),
            started: Instant::now(),
            outcome: "cancelled",
        }
    }

    pub(super) fn tokens(&self, usage: &Usage) {
        let kinds = [
            ("prompt", usage.prompt_tokens),
            ("completion", usage.completion_tokens),
            ("cached", usage.cached_tokens),
            ("unknown", usage.unknown_tokens),
        ];
        for (kind, tokens) in kinds {
            let provider = Arc::clone(&self.provider);
            let model = Arc::clone(&self.model);
            counter!("gepa_llm_tokens_total", "provider" => provider, "model" => model, "kind" => kind)
                .increment(tokens);
        }
    }

    pub(super) fn breaker(&self, is_open: bool) {
        let provider = Arc::clone(&self.provider);
        gauge!("gepa_llm_breaker_open", "provider" => provider).set(f64::from(u8::from(is_open)));
    }

    fn in_flight(&self) -> metrics::Gauge {
        let provider = Arc::clone(&self.provider);
        let model = Arc::clone(&self.model);
        gauge!("gepa_llm_in_flight", "provider" => provider, "model" => model)
    }
}

impl AttemptTimer {
    pub(super) fn ended(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for AttemptTimer {
    fn drop(&mut self) {
        self.meter.in_flight().decrement(1.0);
        let provider = || Arc::clone(&self.meter.provider);
        let model = || Arc::clone(&self.meter.model);
        let outcome = self.outcome;
        counter!(
            "gepa_llm_requests_total",
            "provider" => provider(), "model" => model(), "outcome" => outcome
        )
        .increment(1);
        histogram!(
            "gepa_llm_request_seconds",
            "provider" => provider(), "model" => model(), "outcome" => outcome
        )
        .record(self.started.elapsed().as_secs_f64());
    }
}
