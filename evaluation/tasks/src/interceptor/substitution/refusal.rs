//! Why a candidate could not be put into a call.

use std::sync::Arc;

/// A call that must not reach the provider: its reply would say nothing about the candidate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No message of the call matches the candidate. Every rollout would fail in this way.
    #[error(
        "nothing of the candidate could be put into the app's call: the app sent {sent}, the \
         config expects {expected}; make the patterns of `[prompt]` those the app sends"
    )]
    NothingMatched {
        /// The beginnings of the app's messages.
        sent: String,
        /// The beginnings of the patterns.
        expected: String,
    },
    /// The app's system message does not contain the seed's text, so the candidate could only take
    /// the place of text that the app sends. Every rollout would fail in this way.
    #[error(
        "the app's call does not contain the seed's text of `{component}`, so putting the candidate \
         in would lose text of the app: the app sent {sent}, the config expects {expected}; make the \
         text of `{component}` the one the app sends, or set `evaluator.force_system = true` to \
         replace the app's system message"
    )]
    TextWouldBeLost {
        /// The component.
        component: Arc<str>,
        /// The beginnings of the app's messages.
        sent: String,
        /// The beginning of the component's seed text.
        expected: String,
    },
    /// The only message the candidate could enter has no values for its wildcards.
    #[error(
        "the text of component `{component}` names wildcards that the app's message has no values \
         for: {missing}"
    )]
    MissingValues {
        /// The component.
        component: Arc<str>,
        /// The wildcards.
        missing: String,
    },
}
