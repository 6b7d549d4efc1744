//! The metrics and spans of intercepted calls. All their names are in this file.
//!
//! | name | kind | labels |
//! |---|---|---|
//! | `gepa_interceptor_requests_total` | counter, one per call | outcome |
//! | `gepa_interceptor_added_seconds` | histogram, a call's time less what the provider took | |
//! | `gepa_interceptor_in_flight` | gauge, calls in flight | |
//!
//! Outcomes: `answered`, `failed`, `timed_out`, `not_substituted`, `rejected`, `abandoned`,
//! `unknown_id`. The span of a call is `interceptor.call`, with the fields `rule` and `outcome`.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use super::record::CallOutcome;

/// Counts a call as in flight until this value is dropped.
#[derive(Debug)]
pub(super) struct InFlight(());

impl InFlight {
    pub(super) fn enter() -> Self {
        gauge!("gepa_interceptor_in_flight").increment(1.0);
        Self(())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!("gepa_interceptor_in_flight").decrement(1.0);
    }
}

pub(super) fn added(time: Duration) {
    histogram!("gepa_interceptor_added_seconds").record(time.as_secs_f64());
}

pub(super) fn count(outcome: &'static str) {
    counter!("gepa_interceptor_requests_total", "outcome" => outcome).increment(1);
}

pub(super) fn label(outcome: &CallOutcome) -> &'static str {
    match outcome {
        CallOutcome::Answered { .. } => "answered",
        CallOutcome::Failed { .. } => "failed",
        CallOutcome::TimedOut { .. } => "timed_out",
        CallOutcome::NotSubstituted { .. } => "not_substituted",
        CallOutcome::Rejected { .. } => "rejected",
        CallOutcome::Abandoned => "abandoned",
    }
}
