//! What can go wrong with one attempt, and whether trying again can help.

mod complaint;

use std::time::Duration;

use super::endpoint::Endpoint;
use super::reply::{NoAnswer, ReplyFault, Reported, Unreadable};
use super::unreached::Obstruction;
use complaint::{Complaint, Trouble};
use gepa_evaluation::ModelErrorKind;
use gepa_limiter::Report;

/// What to do where a proxy asks for a password.
const PROXY_REMEDY: &str = "a proxy on the way wants a user and a password: put them into the proxy's address in HTTPS_PROXY";

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
    pub(super) paid: Paid,
    /// The provider's answer, if there was one; without the key.
    pub(super) answer: Option<ProviderAnswer>,
}

/// The cost of an attempt without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paid {
    /// No cost is known.
    Nothing,
    /// The provider reported this cost although the attempt failed.
    Reported(Reported),
    /// A model seems to have written a reply of about this many tokens.
    About(u64),
}

/// Whether another attempt makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    Never,
    /// A few times only: each attempt may have been paid for.
    Sparingly,
    /// A few times only: the provider may not exist.
    Briefly,
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
    /// Whether anybody has ever answered at this address in this process.
    pub(super) has_answered: bool,
    /// Whether a call of this run to this model has succeeded before.
    pub(super) has_served: bool,
}

impl AttemptFault {
    /// No connection, so the request was not sent. It is an outage if the provider has answered
    /// before, else a mistake in the settings.
    pub(super) fn connect(to: Addressee<'_>, obstruction: Obstruction, reason: &str) -> Self {
        let Addressee {
            provider, endpoint, ..
        } = to;
        let base_url = &endpoint.base_url;
        let remedy = obstruction.remedy(&endpoint.origin);
        let (kind, retry) = match to.has_answered {
            true => (ModelErrorKind::Transient, Retry::Always),
            false if obstruction.may_pass() => (ModelErrorKind::Unreachable, Retry::Briefly),
            false => (ModelErrorKind::Unreachable, Retry::Never),
        };
        Self {
            kind,
            retry,
            report: Report::Unreached,
            was_sent: false,
            ..Self::transient(
                "connect",
                format!(
                    "cannot connect to provider `{provider}` at {base_url}: {reason}; {remedy}"
                ),
            )
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

    /// No reply, or only a part of one, within the time allowed.
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

    /// A reply whose compression cannot be undone; `about` counts the tokens of its body.
    pub(super) fn compressed(to: Addressee<'_>, reason: &str, about: u64) -> Self {
        let message = format!("provider `{}` cannot be understood: {reason}", to.provider);
        Self {
            retry: Retry::Sparingly,
            paid: Paid::About(about),
            ..Self::transient("unreadable", message)
        }
    }

    /// A web page with a success status. A provider that has served before is out of order, such as for
    /// maintenance; before that the address may be wrong.
    pub(super) fn page(to: Addressee<'_>, reason: &str) -> Self {
        let reason = to.endpoint.scrubbed(reason);
        if !to.has_served {
            return Self::unreadable(to, &reason);
        }
        Self {
            report: Report::Unavailable {
                overloaded: false,
                retry_after: None,
            },
            ..Self::transient(
                "server_error",
                format!(
                    "provider `{}` answered with a web page instead of a completion ({reason})",
                    to.provider
                ),
            )
        }
    }

    /// A success status around something that answers nothing; `about` counts the tokens of its body.
    pub(super) fn from_reply(to: Addressee<'_>, unreadable: Unreadable, about: u64) -> Self {
        let Unreadable { fault, reported } = unreadable;
        let (fault, is_written) = match fault {
            ReplyFault::NotACompletion { reason, is_written } => (
                Self::unreadable(to, &to.endpoint.scrubbed(&reason)),
                is_written,
            ),
            ReplyFault::Page { reason } => (Self::page(to, &reason), false),
            ReplyFault::Error { status, body } => {
                (Self::from_status(to, status, &body, None), false)
            }
            ReplyFault::ChoiceError { status, body } => {
                (Self::choice_error(to, status, &body), false)
            }
            ReplyFault::NoAnswer(no_answer) => (Self::no_answer(to, &no_answer), true),
        };
        let paid = if !reported.is_absent() {
            Paid::Reported(reported)
        } else if is_written {
            Paid::About(about)
        } else {
            Paid::Nothing
        };
        Self { paid, ..fault }
    }

    /// A completion that answers nothing: the model's limit where it was cut off, else its server's
    /// fault.
    pub(super) fn no_answer(to: Addressee<'_>, no_answer: &NoAnswer) -> Self {
        let Addressee {
            provider, model, ..
        } = to;
        let message = format!(
            "model `{model}` of provider `{provider}` gave no answer: {}",
            no_answer.reason
        );
        if no_answer.is_cut_off {
            return Self::hopeless("no_answer", message);
        }
        Self {
            retry: Retry::Sparingly,
            ..Self::transient("no_answer", message)
        }
    }

    /// The server behind a gateway failed; the gateway itself works.
    fn choice_error(to: Addressee<'_>, status: u16, body: &[u8]) -> Self {
        let fault = Self::from_status(to, status, body, None);
        let report = match fault.report {
            Report::Unavailable { .. } => Report::Answered,
            other => other,
        };
        Self { report, ..fault }
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
        let retry_after = retry_after.or(complaint.pause);
        let Addressee {
            provider,
            model,
            endpoint,
            ..
        } = to;
        let said = format!("provider `{provider}` answered {status} for model `{model}`: {quote}");
        let asks_for_pause = retry_after.is_some();
        let account = account_remedy(to, status, &complaint, asks_for_pause);
        let is_key_refused = complaint.trouble(status, asks_for_pause) == Some(Trouble::Key);
        let fault = match status {
            400 if !to.has_served && Obstruction::is_plain_http_refused(quote) => Self {
                kind: ModelErrorKind::Unreachable,
                ..Self::hopeless(
                    "rejected",
                    format!("{said}; {}", Obstruction::NeedsTls.remedy(&endpoint.origin)),
                )
            },
            _ if account.is_some() => Self::account(&said, &account.unwrap_or_default()),
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
            407 => Self {
                kind: ModelErrorKind::Unreachable,
                ..Self::hopeless("rejected", format!("{said}; {PROXY_REMEDY}"))
            },
            _ if matches!(status, 401 | 403) || is_key_refused => {
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

    /// The user has to correct the account; the request itself is valid.
    fn account(said: &str, remedy: &str) -> Self {
        Self {
            kind: ModelErrorKind::Account,
            ..Self::hopeless("account", format!("{said}; {remedy}"))
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
            paid: Paid::Nothing,
            answer: None,
        }
    }
}

/// What to do about the account, where the answer is about the account and not about the request.
fn account_remedy(
    to: Addressee<'_>,
    status: u16,
    complaint: &Complaint,
    asks_for_pause: bool,
) -> Option<String> {
    const TOP_UP: &str = "top up the account, or raise the limit of the key, then resume";
    let variable = &to.endpoint.key_variable;
    let was_good = || {
        format!("the key in {variable} was accepted before: see what happened to it, then resume")
    };
    match complaint.trouble(status, asks_for_pause) {
        Some(Trouble::Money) => Some(TOP_UP.to_owned()),
        Some(Trouble::Quota) => Some(match &complaint.daily_quota {
            Some(quota) => format!(
                "the daily quota {quota} is used up: resume when it is renewed, or raise it"
            ),
            None => "the quota is used up: resume when it is renewed, or raise it".to_owned(),
        }),
        Some(Trouble::Key) if to.has_served => Some(was_good()),
        _ => match status {
            402 => Some(TOP_UP.to_owned()),
            401 | 403 if to.has_served && !complaint.is_refusal() => Some(was_good()),
            407 if to.has_served => Some(format!("{PROXY_REMEDY}, then resume")),
            _ => None,
        },
    }
}
