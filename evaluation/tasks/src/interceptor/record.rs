//! The model calls of an app during one rollout, and their outcomes.

use std::sync::Arc;

use serde_json::Value;

use super::substitution::Substitution;
use gepa_evaluation::{FinishReason, Message, ModelErrorKind, Usage};

/// One call of an app.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// The correlation id that the app put into the query or the path.
    pub correlation_id: Option<String>,
    /// Equal for calls with equal content, so a call that the app repeats counts as one call.
    pub fingerprint: u64,
    /// In a pipeline, the component whose call this is.
    pub module: Option<Arc<str>>,
    /// The texts that were put into it; `None` if no text fitted.
    pub substitution: Option<Substitution>,
    /// The texts of the messages as they went to the provider. Empty beyond the first few megabytes
    /// of a rollout.
    pub messages: Vec<Message>,
    /// The cost of all attempts at the provider.
    pub usage: Usage,
    /// How it ended.
    pub outcome: CallOutcome,
}

/// How one call ended.
#[derive(Clone, Debug, PartialEq)]
pub enum CallOutcome {
    /// The model answered.
    Answered {
        /// The assistant's text.
        text: String,
        /// The tool calls, as the provider sent them.
        tool_calls: Vec<Value>,
        /// Why it ended.
        finish_reason: FinishReason,
    },
    /// The provider gave no completion.
    Failed {
        /// The kind of failure.
        kind: ModelErrorKind,
        /// The provider's status, if it answered at all.
        status: Option<u16>,
        /// What went wrong; without keys.
        message: String,
    },
    /// The provider had no completion in the time the app can wait.
    TimedOut {
        /// The reason for the wait.
        message: String,
        /// The provider counted as down.
        provider_down: bool,
    },
    /// The call had nothing the candidate could be put into, and was not forwarded. Every other
    /// rollout will end like this.
    NotSubstituted {
        /// What to check.
        message: String,
    },
    /// The call could not be used, and was not forwarded.
    Rejected {
        /// What is wrong with it.
        message: String,
    },
    /// The app hung up, or the rollout ended, before the answer was there.
    Abandoned,
}

impl CallRecord {
    /// Whether the model answered.
    pub fn is_answered(&self) -> bool {
        matches!(self.outcome, CallOutcome::Answered { .. })
    }

    /// The texts of the user's messages, in order.
    pub fn user_texts(&self) -> impl Iterator<Item = &str> {
        let messages = self.messages.iter();
        messages
            .filter(|message| message.role == "user")
            .map(|message| message.content.as_str())
    }
}
