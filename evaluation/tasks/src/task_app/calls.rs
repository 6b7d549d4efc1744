//! Reads from the calls of a rollout whether its score is valid, independent of the app's answer.

use crate::interceptor::{CallOutcome, CallRecord};
use gepa_evaluation::{Failure, FailureKind, FinishReason, Usage};

/// Why the calls of a rollout make its score invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallTrouble {
    /// This rollout failed.
    Failed(Failure),
    /// The provider is down; `is_certain` where it has been for as long as the user wants to wait.
    ProviderDown {
        message: String,
        is_certain: bool,
        /// When calls go on, in seconds since the Unix epoch, where that is known.
        goes_on_at: Option<u64>,
    },
}

/// The sum over all calls.
pub(super) fn usage_of(calls: &[CallRecord]) -> Usage {
    let usages = calls.iter().map(|call| call.usage);
    usages.fold(Usage::default(), |sum, usage| sum + usage)
}

/// The trouble of the first failed call that the app never repeated with success.
pub(super) fn trouble(calls: &[CallRecord]) -> Option<CallTrouble> {
    unresolved(calls).find_map(|call| match &call.outcome {
        CallOutcome::Failed { kind, message, .. } if kind.is_outage() => {
            Some(CallTrouble::ProviderDown {
                message: message.clone(),
                is_certain: true,
                goes_on_at: kind.goes_on_at(),
            })
        }
        CallOutcome::TimedOut {
            message,
            provider_down: true,
        } => Some(CallTrouble::ProviderDown {
            message: format!("{message}; the provider is down"),
            is_certain: false,
            goes_on_at: None,
        }),
        CallOutcome::TimedOut { message, .. } => {
            let failure = Failure::new(FailureKind::Timeout, message);
            Some(CallTrouble::Failed(failure))
        }
        CallOutcome::Failed {
            kind,
            status,
            message,
        } => {
            // A wrong key, a model that does not exist, an account without money.
            let is_shared = matches!(status, Some(401..=404 | 429));
            Some(CallTrouble::Failed(Failure {
                fatal: kind.failure_kind() == FailureKind::Permanent && is_shared,
                ..Failure::new(kind.failure_kind(), message)
            }))
        }
        CallOutcome::NotSubstituted { message } => Some(CallTrouble::Failed(Failure {
            fatal: true,
            ..Failure::new(FailureKind::Permanent, message)
        })),
        CallOutcome::Rejected { message } => {
            let failure = Failure::new(FailureKind::Permanent, message);
            Some(CallTrouble::Failed(failure))
        }
        CallOutcome::Answered { .. } | CallOutcome::Abandoned => None,
    })
}

/// Whether the app hung up on a call and never got its answer.
pub(super) fn is_abandoned(calls: &[CallRecord]) -> bool {
    unresolved(calls).any(|call| call.outcome == CallOutcome::Abandoned)
}

/// Whether the model declined to answer one of the calls.
pub(super) fn refusal(calls: &[CallRecord]) -> Option<String> {
    calls.iter().find_map(|call| match &call.outcome {
        CallOutcome::Answered {
            finish_reason: FinishReason::Refusal,
            text,
            ..
        } => Some(match text.trim() {
            "" => "the model refused to answer".to_owned(),
            said => format!("the model refused to answer: {said}"),
        }),
        _ => None,
    })
}

/// Calls without an answer, unless the same call got one later.
fn unresolved(calls: &[CallRecord]) -> impl Iterator<Item = &CallRecord> {
    calls.iter().enumerate().filter_map(|(at, call)| {
        let made_good = calls[at..]
            .iter()
            .any(|later| later.is_answered() && later.fingerprint == call.fingerprint);
        (!made_good).then_some(call)
    })
}
