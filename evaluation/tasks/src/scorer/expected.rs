//! The expected answers of rows: one answer, or any of a list.

use super::input::{ScorerInput, Verdict};
use super::json_documents::{compact_list, documents_in, scalar_list};
use super::plain_text::trimmed;
use gepa_evaluation::Failure;

/// The answers a text stands for: those of a JSON list of strings, numbers and booleans, each of
/// which is right, else the text itself.
pub(super) fn answers_of(expected: &str) -> Vec<String> {
    scalar_list(expected).unwrap_or_else(|| vec![expected.to_owned()])
}

/// What is wrong with an expected answer that a scorer compares with.
pub(super) fn fault_of(expected: Option<&str>) -> Option<&'static str> {
    let Some(expected) = expected else {
        return Some("has no expected answer");
    };
    if trimmed(expected).is_empty() {
        return Some("has an empty expected answer");
    }
    let list = expected.trim_start().starts_with('[');
    if list && serde_json::from_str::<Vec<serde_json::Value>>(expected).is_ok() {
        return match scalar_list(expected) {
            None => Some("expects a list that is empty or holds more than texts and numbers"),
            Some(answers) if answers.iter().any(|answer| trimmed(answer).is_empty()) => {
                Some("expects a list with an empty answer")
            }
            Some(_) => None,
        };
    }
    None
}

/// The text with its JSON lists without spaces: how a list is written does not count.
fn with_compact_lists(text: &str) -> String {
    let mut compact = String::with_capacity(text.len());
    let mut at = 0;
    for document in documents_in(text) {
        let end = document.start + document.length;
        // Documents inside of a string that is JSON itself have their places in that string.
        let written = text.get(document.start..end);
        let is_here = written.is_some_and(|list| list.starts_with('[') && list.ends_with(']'));
        if let Some(list) = compact_list(&document.json).filter(|_| is_here) {
            compact.push_str(&text[at..document.start]);
            compact.push_str(&list);
            at = end;
        }
    }
    compact.push_str(&text[at..]);
    compact
}

/// The best verdict over all answers that are right. The list itself counts as one of them, for
/// responses that are to be such a list.
pub(super) fn best_of(
    input: &ScorerInput<'_>,
    score: impl Fn(&ScorerInput<'_>) -> Result<Verdict, Failure>,
) -> Result<Verdict, Failure> {
    let Some(answers) = input.expected.and_then(scalar_list) else {
        return score(input);
    };
    let mut best: Option<Verdict> = None;
    for answer in &answers {
        let verdict = score(&ScorerInput {
            expected: Some(answer),
            ..*input
        })?;
        if best.as_ref().is_none_or(|best| verdict.score > best.score) {
            best = Some(verdict);
        }
    }
    let is_right = best.as_ref().is_some_and(|verdict| verdict.score >= 1.0);
    let (output, list) = (
        with_compact_lists(input.output),
        input.expected.map(with_compact_lists),
    );
    let whole = ScorerInput {
        output: &output,
        expected: list.as_deref(),
        ..*input
    };
    if !is_right
        && let Ok(whole) = score(&whole)
        && best.as_ref().is_none_or(|best| whole.score > best.score)
    {
        best = Some(whole);
    }
    let Some(mut best) = best else {
        return score(input);
    };
    if !is_right && answers.len() > 1 {
        let all: Vec<String> = answers.iter().map(|answer| format!("`{answer}`")).collect();
        let feedback = best.feedback.unwrap_or_default();
        best.feedback = Some(format!("{feedback} Any of {} is right.", all.join(", ")));
    }
    Ok(best)
}
