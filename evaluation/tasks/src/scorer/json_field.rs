//! Comparing one field of the JSON in the response.

use serde_json::Value;

use super::input::{ScorerInput, Verdict, expected_of, pass_or_fail, quoted};
use super::numeric::{Numbers, Tolerance};
use super::text::compared;
use super::{JsonComparison, ScorerError};
use gepa_evaluation::Failure;

#[derive(Debug)]
pub(super) struct JsonFieldScorer {
    path: String,
    comparison: Comparison,
}

#[derive(Debug)]
enum Comparison {
    Exact,
    Numeric(Tolerance, Numbers),
}

impl JsonFieldScorer {
    pub(super) fn new(path: &str, compare: &JsonComparison) -> Result<Self, ScorerError> {
        if path.is_empty() {
            return Err(ScorerError::EmptyPath);
        }
        let comparison = match compare {
            JsonComparison::Exact => Comparison::Exact,
            JsonComparison::Numeric { absolute, relative } => {
                Comparison::Numeric(Tolerance::new(*absolute, *relative)?, Numbers::new())
            }
        };
        Ok(Self {
            path: path.to_owned(),
            comparison,
        })
    }

    pub(super) fn score(&self, input: &ScorerInput<'_>) -> Result<Verdict, Failure> {
        let expected = expected_of(input)?;
        let Some(document) = json_in(input.output) else {
            return Ok(missing(expected, "the response is not JSON", input.output));
        };
        let Some(value) = field_at(&document, &self.path) else {
            let reason = format!("the JSON of the response has no field `{}`", self.path);
            return Ok(missing(expected, &reason, input.output));
        };
        match &self.comparison {
            Comparison::Exact => {
                let answered = plain_text(value);
                Ok(compared(
                    answered.trim() == expected.trim(),
                    expected,
                    &answered,
                ))
            }
            Comparison::Numeric(tolerance, numbers) => {
                let wanted = numbers.expected(input, expected)?;
                let Some(answered) = numbers.last(&plain_text(value)) else {
                    let reason = format!("the field `{}` has no number", self.path);
                    return Ok(missing(expected, &reason, input.output));
                };
                Ok(tolerance.verdict(expected, wanted, answered))
            }
        }
    }
}

/// The JSON document a text consists of or carries: alone, in a fence, or between its outermost
/// braces.
pub(super) fn json_in(text: &str) -> Option<Value> {
    let trimmed = text.trim();
    if let Ok(value) = serde_json::from_str(trimmed) {
        return Some(value);
    }
    let start = trimmed.find(['{', '['])?;
    let end = trimmed.rfind(['}', ']'])?;
    serde_json::from_str(trimmed.get(start..=end)?).ok()
}

fn field_at<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    let mut value = document;
    for step in path.split('.') {
        value = match value {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
            Value::Object(fields) => fields.get(step)?,
            _ => return None,
        };
    }
    Some(value)
}

fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn missing(expected: &str, reason: &str, output: &str) -> Verdict {
    let feedback = format!(
        "Wrong: the expected answer is {}, but {reason}: {}.",
        quoted(expected),
        quoted(output)
    );
    pass_or_fail(false, feedback)
}
