//! The seam to language models.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{CallLimit, Failure, FailureKind, Purpose, Usage, UsageBound};

/// Completes chats.
///
/// **The caller** may call from many tasks at once and drops the future to cancel.
///
/// **The implementor** does its own limiting and short retries, reports every attempt in
/// [`Usage::calls`], and answers a reply that is not a normal end of turn with its true
/// [`FinishReason`] instead of hiding it.
#[async_trait]
pub trait LanguageModel: Send + Sync {
    /// Completes one chat.
    async fn complete(&self, request: ChatRequest) -> Result<Completion, ModelError>;

    /// The most completing these messages can cost over all attempts, where that is known.
    fn usage_bound(&self, _messages: &[Message]) -> Option<UsageBound> {
        None
    }

    /// What completing these messages is likely to cost, for plans. It limits nothing.
    fn usage_estimate(&self, _messages: &[Message], _purpose: Purpose) -> Option<UsageBound> {
        None
    }

    /// Whether the same messages always give the same completion.
    fn is_deterministic(&self) -> bool {
        false
    }

    /// The reason why calls wait at this moment, for people; `None` if none has to wait.
    fn obstacle(&self) -> Option<String> {
        None
    }

    /// Whether the price of its calls is known, so that their cost can be bounded and summed up.
    fn is_priced(&self) -> bool {
        true
    }

    /// What the limit on its calls allows at this moment; `None` if it has no limit.
    fn call_limit(&self) -> Option<CallLimit> {
        None
    }

    /// The caller is leaving: calls that wait for their turn, a limit or the end of an outage end at
    /// once, as [`ModelErrorKind::ProviderDown`]. Calls in flight are not touched.
    fn stop_waiting(&self) {}

    /// The name of the model and of its provider.
    fn info(&self) -> ModelInfo;
}

/// One chat message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
    /// Bytes at the beginning of the text with which later calls begin as well. Requests to providers that cache
    /// marked texts mark them. Not stored.
    #[serde(skip)]
    pub shared_prefix: usize,
}

impl Message {
    /// A message.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
            shared_prefix: 0,
        }
    }
}

/// One chat to complete; temperature and limits belong to the model's own settings.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    /// The messages, in order.
    pub messages: Vec<Message>,
    /// The purpose of the call.
    pub purpose: Purpose,
}

/// A completed chat.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// The assistant's answer, without the reasoning before it; empty where it only called tools or
    /// refused.
    pub text: String,
    /// The model's reasoning before its answer, where the provider returns it.
    pub reasoning: Option<String>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Tool calls, as the provider sent them.
    pub tool_calls: Vec<serde_json::Value>,
    /// Spent over all attempts.
    pub usage: Usage,
}

/// Why a completion ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// A normal end of turn.
    Stop,
    /// Cut off at the token limit: the text is incomplete.
    Length,
    /// The model or a filter declined.
    Refusal,
    /// The model wants tools run.
    ToolCalls,
    /// Anything else the provider said.
    Other(String),
}

/// Which model answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// The provider's name as configured.
    pub provider: String,
    /// The model's name as sent to the provider.
    pub model: String,
}

/// A chat that could not be completed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    /// The kind of failure, which decides what happens next.
    pub kind: ModelErrorKind,
    /// The cause and the remedy; never contains a key.
    pub message: String,
    /// Spent before it failed.
    pub usage: Usage,
}

impl ModelError {
    /// The failure of a rollout that ended on this error. One whose key was refused ends the run:
    /// every other rollout would fail alike.
    pub fn into_failure(self) -> Failure {
        Failure {
            fatal: self.kind == ModelErrorKind::KeyRejected,
            goes_on_at: self.kind.goes_on_at(),
            ..Failure::new(self.kind.failure_kind(), self.message)
        }
    }
}

/// The kinds of model failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelErrorKind {
    /// All retries failed for a cause that is usually temporary.
    Transient,
    /// The request will never work: unknown model, malformed request.
    Permanent,
    /// The provider refused the key: no call with it will ever work.
    KeyRejected,
    /// No answer in the time allowed.
    Timeout,
    /// The provider declined this content.
    Refused,
    /// The circuit breaker is open and stayed open: pause the run.
    ProviderDown,
    /// The account needs a correction: no money is left, a quota is used up, or a key that worked
    /// is no longer valid. Pause the run.
    Account,
    /// The limit on the cost of a day is used up. Pause the run until the day is over.
    DayUsedUp {
        /// When calls go on, in seconds since the Unix epoch.
        goes_on_at: u64,
    },
    /// The provider has never answered: no server listens, the name is unknown, or the certificate
    /// is not trusted. Pause the run until the address is right.
    Unreachable,
}

impl ModelErrorKind {
    /// Whether the provider or the account failed and not the call. Such a failure does not settle
    /// the rollout: the run pauses and repeats it later.
    pub fn is_outage(self) -> bool {
        match self {
            Self::ProviderDown | Self::Account | Self::Unreachable | Self::DayUsedUp { .. } => true,
            Self::Transient
            | Self::Permanent
            | Self::KeyRejected
            | Self::Timeout
            | Self::Refused => false,
        }
    }

    /// When calls go on, in seconds since the Unix epoch, where that is known.
    pub fn goes_on_at(self) -> Option<u64> {
        match self {
            Self::DayUsedUp { goes_on_at } => Some(goes_on_at),
            _ => None,
        }
    }

    /// The failure kind of a rollout that ended on this error.
    pub fn failure_kind(self) -> FailureKind {
        match self {
            Self::Transient
            | Self::ProviderDown
            | Self::Account
            | Self::DayUsedUp { .. }
            | Self::Unreachable => FailureKind::Transient,
            Self::Permanent | Self::KeyRejected => FailureKind::Permanent,
            Self::Timeout => FailureKind::Timeout,
            Self::Refused => FailureKind::Refused,
        }
    }
}
