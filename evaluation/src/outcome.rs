//! Typed outcomes: a failure is never a score of zero.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// How one rollout ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The evaluator judged the candidate's work.
    Scored(Scored),
    /// There is nothing to judge; enters no mean.
    Failed(Failure),
}

impl Outcome {
    /// A scored outcome with nothing but a score.
    pub fn score(score: f64) -> Self {
        Self::Scored(Scored {
            score,
            ..Scored::default()
        })
    }

    /// A failure.
    pub fn failed(kind: FailureKind, message: impl Into<String>) -> Self {
        Self::Failed(Failure::new(kind, message))
    }

    /// A permanent failure that every other rollout of the run would share: a wrong key, a wrong
    /// address. The run ends at once instead of failing one rollout after the other.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::Failed(Failure {
            fatal: true,
            ..Failure::new(FailureKind::Permanent, message)
        })
    }

    /// The scored part, if there is one.
    pub fn scored(&self) -> Option<&Scored> {
        match self {
            Self::Scored(scored) => Some(scored),
            Self::Failed(_) => None,
        }
    }

    /// Turns a score or objective that is not finite, or too large for sums to stay finite, into a
    /// permanent failure, so that no mean can be poisoned by an evaluator.
    #[must_use]
    pub fn checked(self) -> Self {
        let Self::Scored(scored) = &self else {
            return self;
        };
        if !is_usable(scored.score) {
            let message = format!("the evaluator returned a score of {}", scored.score);
            return Self::failed(FailureKind::Permanent, message);
        }
        let bad_objective = scored
            .objectives
            .iter()
            .find(|(_, value)| !is_usable(**value));
        match bad_objective {
            Some((name, value)) => Self::failed(
                FailureKind::Permanent,
                format!("the evaluator returned {value} for objective `{name}`"),
            ),
            None => self,
        }
    }
}

/// Larger than any score that means something, small enough for sums over any number of them.
const LARGEST_SCORE: f64 = 1e100;

fn is_usable(score: f64) -> bool {
    score.abs() <= LARGEST_SCORE
}

/// A judged rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scored {
    /// Higher is better; finite.
    pub score: f64,
    /// Further named scores, higher is better each.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub objectives: IndexMap<Arc<str>, f64>,
    /// Why the score is what it is: what was expected, what came. Read by the reflection model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback: Option<String>,
    /// What the candidate produced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// What reflection should see of the execution: an object whose keys become the headings of
    /// the example's record, in order (`Inputs` first by convention). An object under the key
    /// `components` holds records that only the component of that name is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<serde_json::Value>,
}

/// A rollout without a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What went wrong, for people.
    pub message: String,
    /// Every other rollout of the run would fail alike, so the run ends at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fatal: bool,
}

impl Failure {
    /// A failure of this rollout alone.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            fatal: false,
        }
    }
}

/// The kinds of failure; only transient ones and timeouts are worth another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Likely to go away: overload, a broken connection, a child process that died.
    Transient,
    /// Will happen again: bad input, a reply that makes no sense.
    Permanent,
    /// No answer in the time allowed.
    Timeout,
    /// The model or provider declined to answer.
    Refused,
}

impl FailureKind {
    /// Whether another attempt may succeed.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Transient | Self::Timeout)
    }

    /// The name used in stores, exports and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
        }
    }
}
