//! The seam to language models.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Failure, FailureKind, Purpose, Usage, UsageBound};

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

    /// Whether the same messages always give the same completion.
    fn is_deterministic(&self) -> bool {
        false
    }

    /// What calls have to wait for at this moment, for people; `None` if nothing is in their way.
    fn obstacle(&self) -> Option<String> {
        None
    }

    /// Whether the price of its calls is known, so that their cost can be bounded and summed up.
    fn is_priced(&self) -> bool {
        true
    }

    /// The caller is leaving: calls that wait for their turn, a limit or the end of an outage end at
    /// once, as [`ModelErrorKind::ProviderDown`]. Calls under way are not touched.
    fn stop_waiting(&self) {}

    /// What model this is.
    fn info(&self) -> ModelInfo;
}

/// One chat message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
}

impl Message {
    /// A message.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
        }
    }
}

/// One chat to complete; temperature and limits belong to the model's own settings.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    /// The messages, in order.
    pub messages: Vec<Message>,
    /// What the tokens are spent on.
    pub purpose: Purpose,
}

/// A completed chat.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// The assistant's answer, without the reasoning before it; empty where it only called tools or
    /// refused.
    pub text: String,
    /// What the model thought before it answered, where the provider hands it out.
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
    /// What kind of failure, for deciding what to do.
    pub kind: ModelErrorKind,
    /// What went wrong and what to do about it; never contains a key.
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
            ..Failure::new(self.kind.failure_kind(), self.message)
        }
    }
}

/// The kinds of model failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelErrorKind {
    /// Retries were used up on something that usually passes.
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
    /// The account has to be put right: no money left, a quota used up, a key that was good and is
    /// no longer. Pause the run.
    Account,
    /// The provider was never there: nobody listens, the name is unknown, the certificate is not
    /// trusted. Pause the run until the address is right.
    Unreachable,
}

impl ModelErrorKind {
    /// Whether the surroundings failed and not the call: nothing is settled by it, and the run pauses
    /// and comes back to it.
    pub fn is_outage(self) -> bool {
        matches!(self, Self::ProviderDown | Self::Account | Self::Unreachable)
    }

    /// The failure kind of a rollout that ended on this error.
    pub fn failure_kind(self) -> FailureKind {
        match self {
            Self::Transient | Self::ProviderDown | Self::Account | Self::Unreachable => {
                FailureKind::Transient
            }
            Self::Permanent | Self::KeyRejected => FailureKind::Permanent,
            Self::Timeout => FailureKind::Timeout,
            Self::Refused => FailureKind::Refused,
        }
    }
}
