//! A call that is ready to be forwarded, and the record of how it ends.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, error_answer, json_answer, provider_error};
use super::record::CallOutcome;
use super::registry::{CallSlot, LeaseState};
use super::telemetry::{InFlight, added, count, label};
use gepa_evaluation::Purpose;
use gepa_models::{ForwardError, RawReply, Spending};

/// A call that is ready to be forwarded, and the place where it is written down.
pub(super) struct OpenCall {
    pub(super) lease: Arc<LeaseState>,
    pub(super) spending: Arc<Spending>,
    pub(super) answer_by: Instant,
    pub(super) started: Instant,
    pub(super) slot: Option<CallSlot>,
    /// How long the provider took.
    pub(super) provider_time: Duration,
    pub(super) _in_flight: InFlight,
}

/// A call that is not forwarded.
pub(super) struct NotForwarded {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) outcome: CallOutcome,
}

impl OpenCall {
    pub(super) async fn forward(mut self, body: &Value) -> Answer {
        let policy = Arc::clone(&self.lease.terms.policy);
        let sent = Instant::now();
        let forwarded = policy.forward_watched(body, Purpose::Rollout, &self.spending);
        let result = timeout_at(self.answer_by, forwarded).await;
        self.provider_time = sent.elapsed();
        match result {
            Ok(Ok(reply)) => self.answered(&reply),
            Ok(Err(failure)) => self.failed(&failure),
            Err(_) => self.timed_out(),
        }
    }

    fn answered(mut self, reply: &RawReply) -> Answer {
        let completion = reply.completion();
        self.finish(CallOutcome::Answered {
            text: completion.text,
            tool_calls: completion.tool_calls,
            finish_reason: completion.finish_reason,
        });
        json_answer(StatusCode::OK, reply.body_with_usage())
    }

    pub(super) fn failed(mut self, failure: &ForwardError) -> Answer {
        self.finish(CallOutcome::Failed {
            kind: failure.error.kind,
            status: failure.status,
            message: failure.error.message.clone(),
        });
        provider_error(failure)
    }

    pub(super) fn timed_out(mut self) -> Answer {
        let terms = &self.lease.terms;
        let message = format!(
            "the model gave no answer within the {} s the app can wait",
            terms.answer_within.as_secs_f64()
        );
        let provider_down = terms.policy.is_provider_down();
        self.finish(CallOutcome::TimedOut {
            message: message.clone(),
            provider_down,
        });
        error_answer(StatusCode::GATEWAY_TIMEOUT, "timeout", &message)
    }

    pub(super) fn refuse(mut self, refused: NotForwarded) -> Answer {
        let message = match &refused.outcome {
            CallOutcome::NotSubstituted { message } | CallOutcome::Rejected { message } => {
                message.clone()
            }
            _ => String::new(),
        };
        self.finish(refused.outcome);
        error_answer(refused.status, refused.code, &message)
    }

    pub(super) fn provider_took(&mut self, time: Duration) {
        self.provider_time += time;
    }

    /// Records how the call ended; only the first end counts.
    pub(super) fn finish(&mut self, outcome: CallOutcome) {
        let Some(slot) = self.slot.take() else {
            return;
        };
        let name = label(&outcome);
        tracing::Span::current().record("outcome", name);
        count(name);
        self.lease.finish(slot, outcome);
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.finish(CallOutcome::Abandoned);
        added(self.started.elapsed().saturating_sub(self.provider_time));
    }
}
