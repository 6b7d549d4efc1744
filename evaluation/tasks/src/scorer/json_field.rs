//! Comparing one field of the JSON in the response.

use super::input::{ScorerInput, Verdict, expected_of, pass_or_fail, quoted};
use super::json_documents::{documents_in, field_in, field_text};
use super::numbers::Numbers;
use super::numeric::{Tolerance, expected_number};
use super::plain_text::{comparable, trimmed};
use super::text::compared;
use super::{JsonComparison, ScorerError, UnicodeForm};
use gepa_evaluation::Failure;

#[derive(Debug)]
pub(super) struct JsonFieldScorer {
    path: String,
    comparison: Comparison,
}

#[derive(Debug)]
enum Comparison {
    Exact,
    Numeric(Tolerance, Box<Numbers>),
}

impl JsonFieldScorer {
    pub(super) fn new(path: &str, compare: &JsonComparison) -> Result<Self, ScorerError> {
        if path.is_empty() {
            return Err(ScorerError::EmptyPath);
        }
        if let Some(reason) = fault_of_path(path) {
            let path = path.to_owned();
            return Err(ScorerError::BadPath { path, reason });
        }
        let comparison = match compare {
            JsonComparison::Exact => Comparison::Exact,
            JsonComparison::Numeric { absolute, relative } => Comparison::Numeric(
                Tolerance::new(*absolute, *relative)?,
                Box::new(Numbers::new()),
            ),
        };
        Ok(Self {
            path: path.to_owned(),
            comparison,
        })
    }

    /// The numbers expected answers must have, where fields are compared as numbers.
    pub(super) fn numbers(&self) -> Option<&Numbers> {
        match &self.comparison {
            Comparison::Exact => None,
            Comparison::Numeric(_, numbers) => Some(numbers),
        }
    }

    pub(super) fn score(&self, input: &ScorerInput<'_>) -> Result<Verdict, Failure> {
        let expected = expected_of(input)?;
        let documents = documents_in(input.output);
        if documents.is_empty() {
            return Ok(missing(expected, "the response is not JSON", input.output));
        }
        let found = documents.iter().rev().find_map(|document| {
            let text = field_text(&document.json, &self.path)?;
            Some((field_in(&document.json, &self.path)?, text))
        });
        let Some((json, answered)) = found else {
            let reason = format!("the JSON of the response has no field `{}`", self.path);
            return Ok(missing(expected, &reason, input.output));
        };
        match &self.comparison {
            Comparison::Exact => Ok(compared(is_same(&answered, expected), expected, &answered)),
            Comparison::Numeric(tolerance, numbers) => {
                let wanted = expected_number(numbers, input, expected)?;
                // A number inside of a list or an object is not the field.
                let is_scalar = !json.starts_with(['{', '[']);
                match numbers.single(&answered) {
                    Ok(number) if is_scalar => Ok(tolerance.verdict(expected, &wanted, &number)),
                    _ => {
                        let reason = format!("the field `{}` is not one number", self.path);
                        Ok(missing(expected, &reason, input.output))
                    }
                }
            }
        }
    }
}

/// What is wrong with a path whose parts are names and positions.
fn fault_of_path(path: &str) -> Option<&'static str> {
    let has_position = |step: &str| {
        let inner = step
            .strip_suffix(']')
            .and_then(|step| step.rsplit_once('['));
        inner.is_some_and(|(_, position)| {
            !position.is_empty() && position.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    if path.split('.').next() == Some("$") {
        return Some("it begins with `$`, and paths begin with a name");
    }
    if path.split('.').any(str::is_empty) {
        return Some("it has a dot without a name on both sides");
    }
    path.split('.')
        .any(has_position)
        .then_some("it has a position in brackets, which is a part of its own, as in `a.0`")
}

/// Same text, or the same JSON written in another way.
fn is_same(answered: &str, expected: &str) -> bool {
    let plain = |text: &str| comparable(trimmed(text), UnicodeForm::Nfc, false);
    if plain(answered) == plain(expected) {
        return true;
    }
    if let (Some(one), Some(other)) = (literal(answered), literal(expected)) {
        return one == other;
    }
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    let is_composed = answered.starts_with(['{', '[']);
    is_composed && json(answered).is_some() && json(answered) == json(expected)
}

/// The JSON of a truth value, or of nothing, as JSON, Python and spreadsheets write it.
fn literal(text: &str) -> Option<&'static str> {
    Some(match trimmed(text) {
        "true" | "True" | "TRUE" => "true",
        "false" | "False" | "FALSE" => "false",
        "null" | "None" | "NULL" => "null",
        _ => return None,
    })
}

fn missing(expected: &str, reason: &str, output: &str) -> Verdict {
    let feedback = format!(
        "Wrong: the expected answer is {}, but {reason}: {}.",
        quoted(expected),
        quoted(output)
    );
    pass_or_fail(false, feedback)
}
