//! Calls of the reflection model.

use gepa_evaluation::{Message, Usage};
use serde::{Deserialize, Serialize};

use crate::ids::Timestamp;

/// One call of the reflection model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReflectionSettled {
    /// The iteration.
    pub iteration: u64,
    /// The component to rewrite.
    pub component: String,
    /// The number of the attempt at this component, from 1.
    pub attempt: u32,
    /// When the call began.
    pub started_at: Timestamp,
    /// When the call ended.
    pub finished_at: Timestamp,
    /// The tokens and cost of the call.
    #[serde(default, skip_serializing_if = "Usage::is_zero")]
    pub usage: Usage,
    /// The messages sent; absent if `reflection.keep_prompts` is off, if the proposer is no model, and in
    /// journals of versions before 0.2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
    /// The reply as received; `None` if there was none.
    pub reply: Option<String>,
    /// The new text, if the reply holds one.
    pub text: Option<String>,
    /// Further texts, if several were requested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<String>,
    /// Why there is no new text; `None` if there is one.
    pub failure: Option<ReflectionFailure>,
    /// A text that was refused for its length alone. The next attempt is to shorten it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlong: Option<String>,
    /// Why further texts of the reply were refused. The text of `failure` is not among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_texts: Vec<ReflectionFailure>,
    /// New texts that copy words of the examples shown, and were not refused for it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub copying: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl ReflectionSettled {
    /// The same answer for another run, which did not pay for it.
    pub(crate) fn for_free(self) -> Self {
        Self {
            usage: Usage::default(),
            ..self
        }
    }
}

/// Why a reflection gave no new text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReflectionFailure {
    /// The kind of failure.
    pub kind: ReflectionFailureKind,
    /// The problem, as a text for people.
    pub message: String,
}

/// The kinds of failed reflection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReflectionFailureKind {
    /// The reply holds no fenced block.
    NoFence,
    /// The fenced block is empty.
    Empty,
    /// The reply was cut off at the token limit.
    Truncated,
    /// The model refused to answer.
    Refused,
    /// The new text equals the old one.
    Unchanged,
    /// The new text is longer than the configured limit.
    TooLong,
    /// The new text lacks a wildcard that it must keep.
    LostWildcard,
    /// The new text lacks a part that the configuration freezes.
    LostFrozen,
    /// The new text lacks a name that the configuration requires.
    LostRequired,
    /// The new text has a match of a pattern that the configuration forbids.
    Forbidden,
    /// The new text copies words of an example.
    CopiedExample,
    /// The reply edits places that the present text does not have, or has more than once.
    EditNotApplied,
    /// The call itself failed.
    Model,
    /// The provider refused the key, so no call with this key can succeed.
    KeyRejected,
}

impl ReflectionFailureKind {
    /// The name used in journals and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoFence => "no_fence",
            Self::Empty => "empty",
            Self::Truncated => "truncated",
            Self::Refused => "refused",
            Self::Unchanged => "unchanged",
            Self::TooLong => "too_long",
            Self::LostWildcard => "lost_wildcard",
            Self::LostFrozen => "lost_frozen",
            Self::LostRequired => "lost_required",
            Self::Forbidden => "forbidden",
            Self::CopiedExample => "copied_example",
            Self::EditNotApplied => "edit_not_applied",
            Self::Model => "model",
            Self::KeyRejected => "key_rejected",
        }
    }

    /// Whether every other reflection of the run would fail in the same way.
    pub fn is_fatal(self) -> bool {
        self == Self::KeyRejected
    }
}
