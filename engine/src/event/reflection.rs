//! Calls of the reflection model.

use gepa_evaluation::Usage;
use serde::{Deserialize, Serialize};

use crate::ids::Timestamp;

/// One call of the reflection model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReflectionSettled {
    /// The iteration.
    pub iteration: u64,
    /// The component it was to rewrite.
    pub component: String,
    /// Which attempt at this component, from 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What it cost.
    #[serde(default, skip_serializing_if = "Usage::is_zero")]
    pub usage: Usage,
    /// The reply as it came; `None` where there was none.
    pub reply: Option<String>,
    /// The new text, where the reply holds one.
    pub text: Option<String>,
    /// Further texts, where several were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<String>,
    /// Why there is no new text.
    pub failure: Option<ReflectionFailure>,
}

impl ReflectionSettled {
    /// The same answer for a run that did not pay for it.
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
    /// What kind of failure.
    pub kind: ReflectionFailureKind,
    /// What was wrong, for people.
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
    /// The model declined.
    Refused,
    /// The new text is the old one.
    Unchanged,
    /// The new text is longer than the configured limit.
    TooLong,
    /// The new text lost a wildcard it must keep.
    LostWildcard,
    /// The call itself failed.
    Model,
    /// The provider refused the key: no call with it will ever work.
    KeyRejected,
}

impl ReflectionFailureKind {
    /// Whether every other reflection of the run would fail alike.
    pub fn is_fatal(self) -> bool {
        self == Self::KeyRejected
    }
}
