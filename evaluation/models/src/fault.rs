//! What can go wrong with one attempt, and whether trying again can help.

use std::time::Duration;

use serde_json::Value;

use super::endpoint::Endpoint;
use gepa_evaluation::ModelErrorKind;
use gepa_limiter::Report;

/// Longest part of a provider's message that enters one of ours, in characters.
const LONGEST_QUOTE: usize = 300;

/// An attempt without a completion.
#[derive(Clone, Debug)]
pub(super) struct AttemptFault {
    /// The kind of failure if nothing better follows.
    pub(super) kind: ModelErrorKind,
    pub(super) retry: Retry,
    pub(super) report: Report,
    /// The metrics label.
    pub(super) outcome: &'static str,
    pub(super) message: String,
    /// Whether the request can have reached the provider.
    pub(super) was_sent: bool,
    /// The provider's answer, if there was one; without the key.
    pub(super) answer: Option<ProviderAnswer>,
}

/// Whether another attempt makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    Never,
    /// A few times only: each attempt may have been paid for.
    Sparingly,
    Always,
}

/// An answer that is not a completion.
#[derive(Clone, Debug)]
pub(super) struct ProviderAnswer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Whom an attempt talked to, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addressee<'a> {
    pub(super) provider: &'a str,
    pub(super) model: &'a str,
    pub(super) endpoint: &'a Endpoint,
}

impl AttemptFault {
    /// No connection: the request went nowhere.
    pub(super) fn connect(to: Addressee<'_>, reason: &str) -> Self {
        let Addressee {
            provider, endpoint, ..
        } = to;
        let base_url = &endpoint.base_url;
        Self {
            kind: ModelErrorKind::Transient,
            retry: Retry::Always,
            report: Report::Unavailable {
                overloaded: false,
                retry_after: None,
            },
            outcome: "connect",
            message: format!("cannot connect to provider `{provider}` at {base_url}: {reason}"),
            was_sent: false,
            answer: None,
        }
    }

    /// The connection broke before any answer.
    pub(super) fn reset(to: Addressee<'_>, reason: &str) -> Self {
        Self {
            report: Report::Unavailable {
                overloaded: false,
                retry_after: None,
            },
            ..Self::transient(
                "reset",
                format!("provider `{}` broke the connection: {reason}", to.provider),
            )
        }
    }

    /// The answer broke off.
    pub(super) fn truncated(to: Addressee<'_>, reason: &str) -> Self {
        Self {
            report: Report::Interrupted { is_slow: false },
            ..Self::transient(
                "truncated",
                format!(
                    "the reply of provider `{}` broke off: {reason}",
                    to.provider
                ),
            )
        }
    }

    /// Nothing, or not everything, within the time allowed.
    pub(super) fn timeout(to: Addressee<'_>, what: &str, allowed: Duration) -> Self {
        let Addressee {
            provider, model, ..
        } = to;
        let seconds = allowed.as_secs_f64();
        Self {
            kind: ModelErrorKind::Timeout,
            report: Report::Interrupted { is_slow: true },
            ..Self::transient(
                "timeout",
                format!(
                    "model `{model}` of provider `{provider}` gave no {what} within {seconds} s"
                ),
            )
        }
    }

    /// A success status around something that is not a completion.
    pub(super) fn unreadable(to: Addressee<'_>, reason: &str) -> Self {
        let Addressee {
            provider, endpoint, ..
        } = to;
        let base_url = &endpoint.base_url;
        Self {
            retry: Retry::Sparingly,
            ..Self::transient(
                "unreadable",
                format!(
                    "provider `{provider}` answered with something other than a chat completion \
                     ({reason}); check that {base_url} is its base URL"
                ),
            )
        }
    }

    /// A request that cannot be sent, or a reply that must not be read.
    pub(super) fn hopeless(outcome: &'static str, message: String) -> Self {
        Self {
            kind: ModelErrorKind::Permanent,
            retry: Retry::Never,
            ..Self::transient(outcome, message)
        }
    }

    /// An answer with a status other than success.
    pub(super) fn from_status(
        to: Addressee<'_>,
        status: u16,
        body: &[u8],
        retry_after: Option<Duration>,
    ) -> Self {
        let text = to.endpoint.scrubbed(&String::from_utf8_lossy(body));
        let complaint = Complaint::read(&text);
        let quote = &complaint.message;
        let Addressee {
            provider,
            model,
            endpoint,
        } = to;
        let said = format!("provider `{provider}` answered {status} for model `{model}`: {quote}");
        let fault = match status {
            402 => Self::hopeless("rejected", format!("{said}; top up the account")),
            429 if complaint.is_about_quota() => {
                Self::hopeless("rejected", format!("{said}; top up the account"))
            }
            429 => Self {
                report: Report::Throttled { retry_after },
                ..Self::transient("throttled", said)
            },
            408 | 409 | 425 => Self::transient("server_error", said),
            500..=599 => Self {
                report: Report::Unavailable {
                    overloaded: matches!(status, 503 | 529),
                    retry_after,
                },
                ..Self::transient("server_error", said)
            },
            _ if complaint.is_refusal() => Self {
                kind: ModelErrorKind::Refused,
                ..Self::hopeless("refused", said)
            },
            401 | 403 => {
                let variable = &endpoint.key_variable;
                Self {
                    kind: ModelErrorKind::KeyRejected,
                    ..Self::hopeless("rejected", format!("{said}; check the key in {variable}"))
                }
            }
            404 => {
                let base_url = &endpoint.base_url;
                Self::hopeless(
                    "rejected",
                    format!("{said}; check the model's name and the base URL {base_url}"),
                )
            }
            300..=399 => Self::hopeless(
                "rejected",
                format!("{said}; redirects are not followed, set `base_url` to the final address"),
            ),
            _ => Self::hopeless("rejected", said),
        };
        Self {
            answer: Some(ProviderAnswer { status, body: text }),
            ..fault
        }
    }

    fn transient(outcome: &'static str, message: String) -> Self {
        Self {
            kind: ModelErrorKind::Transient,
            retry: Retry::Always,
            report: Report::Answered,
            outcome,
            message,
            was_sent: true,
            answer: None,
        }
    }
}

/// What a provider's error body says.
struct Complaint {
    message: String,
    /// `error.code`, `error.type` and their relatives, in lower case.
    codes: Vec<String>,
}

impl Complaint {
    fn read(text: &str) -> Self {
        let parsed: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        // Gemini wraps its error object in a list.
        let body = parsed.get(0).unwrap_or(&parsed);
        let error = body.get("error").unwrap_or(body);
        let candidates = [
            error.get("message"),
            Some(error),
            body.get("message"),
            body.get("detail"),
        ];
        let message = candidates
            .into_iter()
            .flatten()
            .find_map(Value::as_str)
            .unwrap_or(text);
        let codes = [
            error.get("code"),
            error.get("type"),
            error.get("status"),
            error.pointer("/innererror/code"),
        ];
        Self {
            message: quoted(message),
            codes: codes
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_ascii_lowercase)
                .collect(),
        }
    }

    fn is_about_quota(&self) -> bool {
        self.has_code(&["insufficient_quota", "billing_hard_limit_reached"])
    }

    fn is_refusal(&self) -> bool {
        self.has_code(&[
            "content_filter",
            "content_policy_violation",
            "responsibleaipolicyviolation",
        ])
    }

    fn has_code(&self, known: &[&str]) -> bool {
        self.codes.iter().any(|code| known.contains(&code.as_str()))
    }
}

/// One line of bounded length.
fn quoted(message: &str) -> String {
    let line: Vec<&str> = message.split_whitespace().collect();
    let line = line.join(" ");
    if line.is_empty() {
        return "(no message)".to_owned();
    }
    match line.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}
