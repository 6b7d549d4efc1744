//! Reading a judge's reply: the last score in it counts.

use regex::Regex;
use serde_json::Value;

use super::input::Verdict;
use super::json_documents::{Document, documents_in};
use gepa_evaluation::split_reasoning;

/// Finds scores in replies.
#[derive(Debug)]
pub(super) struct ReplyReader {
    named: Regex,
    alone: Regex,
}

impl ReplyReader {
    pub(super) fn new() -> Self {
        let compiled = |pattern: &str| Regex::new(pattern).expect("the pattern is a constant");
        let marks = r"[*_`\s]*";
        let number = format!(
            r"(-?(?:\d+(?:[.,]\d+)?|\.\d+)(?:e-?\d+)?)(?:{marks}\(?(?:/|out of|of){marks}(\d+(?:[.,]\d+)?)|\s*(%|percent\b|per cent\b)|(\s*(?:-|\u{{2013}}|to)\s*\d))?"
        );
        // What the scale is may stand behind the name.
        let name = r"(?i)\b(?:score|rating|grade|verdict)\b(?:\s*\([^()\n]{0,40}\))?";
        // Marks of emphasis, a colon or a verb, quotes and brackets may stand in between.
        let between = r#"(?:[*_`"'\s]*(?:[:=|\u{ff1a}]|->|\u{2192}|\bis\b|\bof\b|>|[-\u{2013}\u{2014}]\s)|[*_`]*\s*\n)[*_`"'\s:|]*(?:\\boxed\{|\[\[?)?"#;
        Self {
            named: compiled(&format!("{name}{between}{number}")),
            alone: compiled(&format!(
                r"(?i)^[*_`\s]*(?:\\boxed\{{|\[\[)?{number}[*_`\s\]}}.)]*$"
            )),
        }
    }

    /// The score from 0 to 1 and the feedback; `None` where there is no such score.
    pub(super) fn read(&self, reply: &str) -> Option<Verdict> {
        let reply = split_reasoning(reply).answer;
        let documents = documents_in(reply);
        let in_json = documents
            .iter()
            .rev()
            .find_map(|document| self.of_document(document));
        let in_text = self.of_text(reply, &documents);
        let (score, feedback) = match (in_json, in_text) {
            (Some((at, score, feedback)), Some((other, _))) if at > other => (score, feedback),
            (_, Some((_, score))) => (score, Some(reply.trim().to_owned())),
            (Some((_, score, feedback)), None) => (score, feedback),
            (None, None) => (self.alone_in(reply)?, Some(reply.trim().to_owned())),
        };
        (0.0..=1.0).contains(&score).then(|| Verdict {
            score,
            feedback,
            ..Verdict::default()
        })
    }

    fn of_document(&self, document: &Document) -> Option<(usize, f64, Option<String>)> {
        let value: Value = serde_json::from_str(&document.json).ok()?;
        let (score, feedback) = self.of_value(&value)?;
        Some((document.start, score, feedback))
    }

    /// The score of an object or of the last one inside it, and its feedback.
    fn of_value(&self, value: &Value) -> Option<(f64, Option<String>)> {
        let fields = match value {
            Value::Array(items) => {
                return items.iter().rev().find_map(|item| self.of_value(item));
            }
            Value::Object(fields) => fields,
            _ => return None,
        };
        let named = |names: &[&str]| {
            names.iter().find_map(|name| {
                let mut found = fields
                    .iter()
                    .filter(|(key, _)| key.eq_ignore_ascii_case(name));
                found.next().map(|(_, value)| value)
            })
        };
        let own = named(&["score", "rating", "grade"]).and_then(|value| self.of_field(value));
        let Some(score) = own else {
            return fields.values().rev().find_map(|inner| self.of_value(inner));
        };
        let most = named(&["max_score", "out_of", "max"]).and_then(Value::as_f64);
        let score = match most {
            Some(most) if most > 1.0 => score / most,
            _ => score,
        };
        let feedback = named(&["feedback", "explanation", "reason", "reasoning"]);
        let feedback = feedback.and_then(Value::as_str).map(str::to_owned);
        Some((score, feedback))
    }

    fn of_field(&self, value: &Value) -> Option<f64> {
        match value {
            Value::Number(number) => number.as_f64(),
            Value::Bool(passed) => Some(f64::from(*passed)),
            Value::String(text) => self.alone_in(text),
            _ => None,
        }
    }

    /// The last named score outside of JSON, and where it stands.
    fn of_text(&self, reply: &str, documents: &[Document]) -> Option<(usize, f64)> {
        let all = self.named.captures_iter(reply);
        let outside = all.filter_map(|found| {
            let start = found.get(0)?.start();
            let is_inside = documents.iter().any(|one| {
                one.start < start
                    && start < one.start + one.length
                    && self.of_document(one).is_some()
            });
            (!is_inside).then_some((start, value_of(&found)?))
        });
        outside.last()
    }

    fn alone_in(&self, text: &str) -> Option<f64> {
        value_of(&self.alone.captures(text.trim())?)
    }
}

/// `0.5`, `4/5`, `80%`; a range is no score.
fn value_of(found: &regex::Captures<'_>) -> Option<f64> {
    if found.get(4).is_some() {
        return None;
    }
    let number: f64 = found.get(1)?.as_str().replace(',', ".").parse().ok()?;
    if found.get(3).is_some() {
        return Some(number / 100.0);
    }
    match found.get(2) {
        None => Some(number),
        Some(most) => {
            let most: f64 = most.as_str().replace(',', ".").parse().ok()?;
            (most > 0.0).then_some(number / most)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reply: &str, score: Option<f64>) {
        static READER: std::sync::LazyLock<ReplyReader> =
            std::sync::LazyLock::new(ReplyReader::new);
        let found = READER.read(reply).map(|verdict| verdict.score);
        assert_eq!(found, score, "{reply}");
    }

    #[test]
    fn scores_are_read_in_their_usual_forms() {
        for reply in [
            "Score: 0.5",
            "Score: 0.5.",
            "**Score:** 0.5",
            "**Score: 0.5**",
            "Score = .5",
            "Final score: 5/10",
            "Score: 2.5 out of 5",
            "Rating: 50%",
            "The score is 0.5 because it is half right.",
            "I give it a score of **0.5**.",
            "<score>0.5</score>",
            r"Score: \boxed{0.5}",
            "Rating: [[0.5]]",
            "0.5",
            "**0.5**",
            "[[0.5]]",
            "{\"score\": 0.5}",
            "{\"score\": \"1/2\", \"feedback\": \"x\"}",
            "```json\n{\"score\": 0.5,}\n```",
            "Score (0-1): 0.5",
            "Score (out of 10): 5/10",
            "Score - 0.5",
            "Overall rating \u{2013} 2.5/5",
            "Score: **5** out of **10**",
            "Score: 5 (out of 10)",
            "Score: 5 of 10",
            "Score: 50 percent",
            "Score: 0,5",
            "Score: 5e-1",
            "## Score\n0.5",
            "| Score | 0.5 |",
            "{\"Score\": 0.5}",
            "{'score': 0.5}",
            "{\"score\": 5/10}",
            "{\"score\": 50%}",
            "{\"rating\": 0.5}",
            "{\"score\": 5, \"max_score\": 10}",
            "{\"result\": {\"score\": 0.5}}",
            "[{\"score\": 0.1}, {\"score\": 0.5}]",
            "{\"evaluation\": \"Score: 0.5\"}",
            "\"{\\\"score\\\": 0.5}\"",
        ] {
            check(reply, Some(0.5));
        }
    }

    #[test]
    fn the_last_score_counts_and_none_of_the_reasoning() {
        check("Score: 0.1 would be unfair.\nScore: 0.9", Some(0.9));
        check("<think>\nScore: 0.1\n</think>\nScore: 0.9", Some(0.9));
        check("Score: 0.9\n{\"score\": 0.2}", Some(0.2));
        check("{\"score\": 0.2} but then\nScore: 0.9", Some(0.9));
        check("Score: 0.1\n</think>\n{\"score\": 0.9}", Some(0.9));
    }

    #[test]
    fn what_is_no_score_from_0_to_1_is_none() {
        for reply in [
            "good",
            "Score: 2",
            "Score: 7",
            "{\"points\": 1}",
            "Score: NaN",
            "",
            "Score: -0.1",
            "Score: 0.4-0.6",
            "Score: 0.4 to 0.6",
            "Score (0-1): good",
        ] {
            check(reply, None);
        }
    }
}
