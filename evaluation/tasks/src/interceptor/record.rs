//! What an app asked for during one rollout, and what came of it.

use std::sync::Arc;

use serde_json::Value;

use super::substitution::Substitution;
use gepa_evaluation::{FinishReason, Message, ModelErrorKind, Usage};

/// One call of an app.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// What the app named in the query or the path to tell its calls apart.
    pub correlation_id: Option<String>,
    /// The same for calls that ask for the same: a call tried again by the app is one call.
    pub fingerprint: u64,
    /// In a pipeline, the component whose call this is.
    pub module: Option<Arc<str>>,
    /// What was put into it; `None` if nothing could be.
    pub substitution: Option<Substitution>,
    /// The texts of the messages as they went to the provider. Empty beyond the first few megabytes
    /// of a rollout.
    pub messages: Vec<Message>,
    /// What it cost, all attempts at the provider included.
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
        /// What was waited for.
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
