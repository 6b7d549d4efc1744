//! The input and the verdict of a scorer.

use std::sync::Arc;

use indexmap::IndexMap;

use gepa_evaluation::{ExampleId, Failure, FailureKind, Scored, Usage};

/// One answer to score.
#[derive(Clone, Copy, Debug)]
pub struct ScorerInput<'a> {
    /// The example.
    pub example: &'a ExampleId,
    /// The input as one text: `name: value` lines.
    pub input: &'a str,
    /// The policy's answer.
    pub output: &'a str,
    /// The answer expected, where the dataset has one.
    pub expected: Option<&'a str>,
}

/// A score and the reason for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Higher is better, usually from 0 to 1.
    pub score: f64,
    /// Further named scores.
    pub objectives: IndexMap<Arc<str>, f64>,
    /// The expected answer, the answer that came, and the reason for the score.
    pub feedback: Option<String>,
}

impl From<Scored> for Verdict {
    fn from(scored: Scored) -> Self {
        Self {
            score: scored.score,
            objectives: scored.objectives,
            feedback: scored.feedback,
        }
    }
}

/// The result of scoring.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The verdict, or why there is none.
    pub verdict: Result<Verdict, Failure>,
    /// Spent on a judge model.
    pub usage: Usage,
    /// Set when the judge's provider is down.
    pub provider_down: bool,
}

impl From<Result<Verdict, Failure>> for Judgement {
    fn from(verdict: Result<Verdict, Failure>) -> Self {
        Self {
            verdict,
            usage: Usage::default(),
            provider_down: false,
        }
    }
}

pub(super) fn pass_or_fail(passed: bool, feedback: String) -> Verdict {
    Verdict {
        score: if passed { 1.0 } else { 0.0 },
        feedback: Some(feedback),
        ..Verdict::default()
    }
}

pub(super) fn failure(kind: FailureKind, message: impl Into<String>) -> Failure {
    Failure::new(kind, message)
}

/// The expected answer, or a failure that names the row.
pub(super) fn expected_of<'a>(input: &ScorerInput<'a>) -> Result<&'a str, Failure> {
    input.expected.ok_or_else(|| {
        let message = format!(
            "example `{}` has no expected answer; set `answer` to its column",
            input.example
        );
        failure(FailureKind::Permanent, message)
    })
}

/// The text in quotes that do not occur in it. A long text is shortened in the middle.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 400;
    let trimmed = text.trim();
    let count = trimmed.chars().count();
    let shown = if count > SHOWN {
        let start: String = trimmed.chars().take(SHOWN / 2).collect();
        let end: String = trimmed.chars().skip(count - SHOWN / 2).collect();
        format!("{start} [..] {end}")
    } else {
        trimmed.to_owned()
    };
    if shown.contains('`') {
        format!("\"{shown}\"")
    } else {
        format!("`{shown}`")
    }
}
