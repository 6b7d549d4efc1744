//! Typed outcomes: a failure is never a score of zero.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::ScoreRange;

/// How one rollout ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The evaluator judged the candidate's work.
    Scored(Scored),
    /// There is no work to judge. A failure is part of no mean.
    Failed(Failure),
}

impl Outcome {
    /// A scored outcome that has only a score.
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

    /// A permanent failure with a cause that every other rollout of the run has too, such as a
    /// wrong key or a wrong address. The run ends at once instead of failing one rollout after the
    /// other.
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

    /// Turns a score or objective that is not finite, or above 1e100 in size, into a permanent
    /// failure. So the mean over any number of outcomes is finite.
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

    /// Turns a score outside of the evaluator's declared range into a permanent failure, because
    /// the declared range would be wrong for the whole run.
    #[must_use]
    pub fn within(self, range: Option<ScoreRange>) -> Self {
        match (&self, range) {
            (Self::Scored(scored), Some(range)) if !range.contains(scored.score) => Self::failed(
                FailureKind::Permanent,
                format!(
                    "the evaluator returned a score of {}, outside of its range from {} to {}; correct \
                     `evaluator.score_range`",
                    scored.score,
                    range.lowest(),
                    range.highest()
                ),
            ),
            _ => self,
        }
    }
}

/// Larger than any meaningful score, and small enough that sums over any number of scores are
/// finite.
const LARGEST_SCORE: f64 = 1e100;

fn is_usable(score: f64) -> bool {
    score.abs() <= LARGEST_SCORE
}

/// The key of a trace under which a model's reasoning is kept.
pub const REASONING_KEY: &str = "reasoning";

/// A judged rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scored {
    /// Higher is better; finite.
    pub score: f64,
    /// Further named scores; higher is better.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub objectives: IndexMap<Arc<str>, f64>,
    /// The reason for the score: what was expected and what came. The reflection model reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback: Option<String>,
    /// The candidate's output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The part of the execution that is shown to the reflection model: an object whose keys become
    /// the headings of the example's record, in order (`Inputs` first by convention). An object
    /// under the key `components` holds, by component, records that are shown only for that
    /// component. What stands under [`REASONING_KEY`] is kept for people and shown to no
    /// model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<serde_json::Value>,
}

/// A rollout without a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind of failure.
    pub kind: FailureKind,
    /// The cause, for people.
    pub message: String,
    /// Every other rollout of the run would fail for the same cause, so the run ends at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fatal: bool,
    /// When calls of the model go on, in seconds since the Unix epoch, where the failure says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goes_on_at: Option<u64>,
}

impl Failure {
    /// A failure of this rollout alone.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            fatal: false,
            goes_on_at: None,
        }
    }
}

/// The kinds of failure. Only transient failures and timeouts get another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The cause is likely to end: overload, a broken connection, a child process that died.
    Transient,
    /// It would happen again: bad input, a reply that cannot be read.
    Permanent,
    /// There was no answer within the time limit.
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
