//! From an app's answer and the record of its calls to an outcome.

use super::calls::{CallTrouble, is_abandoned, refusal, trouble, usage_of};
use super::client::{AppAnswer, AppClient, AppFault};
use super::feedback::feedback;
use super::response::RolloutResponse;
use super::trace::{output_of, trace_of};
use crate::interceptor::{CallOutcome, CallRecord};
use gepa_evaluation::{Evaluation, Failure, FailureKind, FinishReason, Outcome, Scored};

/// The conditions of a verdict besides the app's answer and the calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// Whether reflection will read the trace.
    pub(super) wants_trace: bool,
    /// Whether the run will not try this rollout again.
    pub(super) is_last_attempt: bool,
}

/// Judges a rollout.
pub(super) fn judge(
    client: &AppClient,
    answer: Result<AppAnswer, AppFault>,
    calls: &[CallRecord],
    circumstances: Circumstances,
) -> Evaluation {
    let usage = usage_of(calls);
    match verdict(client, answer, calls, circumstances) {
        Ok(scored) => Evaluation::with_usage(Outcome::Scored(scored).checked(), usage),
        Err(CallTrouble::Failed(failure)) => {
            Evaluation::with_usage(Outcome::Failed(failure), usage)
        }
        Err(CallTrouble::ProviderDown {
            message,
            is_certain,
            goes_on_at,
        }) => {
            let failure = Failure {
                goes_on_at,
                ..Failure::new(FailureKind::Transient, message)
            };
            Evaluation {
                provider_down: is_certain || circumstances.is_last_attempt,
                ..Evaluation::with_usage(Outcome::Failed(failure), usage)
            }
        }
    }
}

fn verdict(
    client: &AppClient,
    answer: Result<AppAnswer, AppFault>,
    calls: &[CallRecord],
    circumstances: Circumstances,
) -> Result<Scored, CallTrouble> {
    let key_error = answer
        .as_ref()
        .ok()
        .filter(|_| calls.is_empty())
        .and_then(|answer| client.refused_key(answer));
    if let Some(error) = key_error {
        return Err(fatal(error.to_string()));
    }
    if let Some(trouble) = trouble(calls) {
        return Err(trouble);
    }
    let answer = answer.map_err(|fault| app_trouble(client, fault))?;
    if !answer.is_success() {
        return Err(complaint(client, &answer));
    }
    if is_abandoned(calls) {
        let message = "the app answered without waiting for the model's reply";
        return Err(failed(FailureKind::Transient, message));
    }
    if calls.is_empty() {
        return Err(fatal(
            "the app answered without calling the model at `policy.config.inference_url`; its \
             score says nothing about the candidate. Make the app send its model calls there"
                .to_owned(),
        ));
    }
    if let Some(message) = refusal(calls) {
        return Err(failed(FailureKind::Refused, &message));
    }
    let response = RolloutResponse::read(&answer.body)
        .map_err(|message| failed(FailureKind::Permanent, &message))?;
    if let Some(error) = &response.error {
        let message = format!("the app could not use the model's reply: {error}");
        return Err(failed(FailureKind::Transient, &message));
    }
    Ok(Scored {
        score: response.reward,
        feedback: Some(with_note(feedback(&response.infos, response.reward), calls)),
        objectives: response.objectives,
        output: calls.iter().rev().find_map(output_of),
        trace: circumstances.wants_trace.then(|| trace_of(calls)),
    })
}

fn app_trouble(client: &AppClient, fault: AppFault) -> CallTrouble {
    let url = &client.url;
    match fault {
        AppFault::Unreachable(reason) => CallTrouble::ProviderDown {
            message: format!("the task app at {url} cannot be reached: {reason}"),
            is_certain: false,
            goes_on_at: None,
        },
        AppFault::Broken(reason) => failed(
            FailureKind::Transient,
            &format!("the task app at {url} broke off its answer: {reason}"),
        ),
        AppFault::TimedOut(limit) => failed(
            FailureKind::Timeout,
            &format!(
                "the task app at {url} gave no answer within {} s; raise \
                 `rollouts.timeout_seconds` if it needs longer",
                limit.as_secs_f64()
            ),
        ),
        AppFault::TooLarge => failed(
            FailureKind::Permanent,
            &format!("the answer of the task app at {url} exceeds 32 MiB"),
        ),
    }
}

/// An answer with a status other than success, which no failed model call explains.
fn complaint(client: &AppClient, answer: &AppAnswer) -> CallTrouble {
    let url = &client.url;
    let quote = client.quoted(answer);
    let status = answer.status;
    let said = format!("the task app at {url} answered {status}: {quote}");
    match status {
        300..=399 => fatal(format!(
            "{said}; redirects are not followed, set `url` to the final address"
        )),
        408 | 504 => failed(FailureKind::Timeout, &said),
        425 | 429 | 500.. => failed(FailureKind::Transient, &said),
        _ => failed(FailureKind::Permanent, &said),
    }
}

fn with_note(feedback: String, calls: &[CallRecord]) -> String {
    let is_cut_off = calls.iter().any(|call| {
        matches!(
            &call.outcome,
            CallOutcome::Answered {
                finish_reason: FinishReason::Length,
                ..
            }
        )
    });
    if is_cut_off {
        let note = "The response was cut off at the token limit; a shorter one would be complete.";
        return format!("{feedback} {note}");
    }
    feedback
}

fn failed(kind: FailureKind, message: &str) -> CallTrouble {
    CallTrouble::Failed(Failure::new(kind, message))
}

fn fatal(message: String) -> CallTrouble {
    CallTrouble::Failed(Failure {
        fatal: true,
        ..Failure::new(FailureKind::Permanent, message)
    })
}
