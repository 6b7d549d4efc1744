//! The feedback that reflection sees for a reward, made from the app's account of its steps.

use serde_json::{Map, Value};

/// Fields that repeat what reflection sees elsewhere, or that are too much to read.
const BULKY: [&str; 6] = [
    "response_text",
    "response_json",
    "messages",
    "modules",
    "tool_calls",
    "code",
];

/// Fields that say whether an answer was right.
const VERDICTS: [&str; 4] = ["label_correct", "correct", "is_correct", "answer_correct"];

/// Longest value that is quoted, in characters.
const LONGEST_VALUE: usize = 300;

/// Fields quoted at most.
const MOST_FIELDS: usize = 20;

/// The reason for the reward.
pub(super) fn feedback(infos: &[Map<String, Value>], reward: f64) -> String {
    let judged = infos.iter().rev().find_map(verdict);
    judged.unwrap_or_else(|| {
        let mut lines: Vec<String> = infos.last().map(fields).unwrap_or_default();
        lines.push(format!("score: {reward}"));
        lines.join("\n")
    })
}

/// The sentence about an answer whose correct value is known.
fn verdict(info: &Map<String, Value>) -> Option<String> {
    let expected = value_of(info, "expected")?;
    let given = value_of(info, "predicted")
        .or_else(|| value_of(info, "prediction"))
        .unwrap_or_default();
    let said = VERDICTS.iter().find_map(|name| info.get(*name)?.as_bool());
    if said.unwrap_or(given == expected) {
        return Some(format!("Correct: the expected answer is `{expected}`."));
    }
    if given.trim().is_empty() {
        return Some(format!(
            "The response gives no answer; the expected answer is `{expected}`."
        ));
    }
    Some(format!(
        "The answer `{given}` is wrong; the expected answer is `{expected}`."
    ))
}

/// The field with this name, or with a longer name that begins with it, such as `expected_label`.
fn value_of(info: &Map<String, Value>, stem: &str) -> Option<String> {
    let own = info.get(stem).and_then(scalar);
    own.or_else(|| {
        let mut longer = info.iter().filter(|(name, _)| {
            let rest = name.strip_prefix(stem);
            rest.is_some_and(|rest| rest.starts_with('_'))
        });
        longer.find_map(|(_, value)| scalar(value))
    })
}

fn fields(info: &Map<String, Value>) -> Vec<String> {
    let told = info
        .iter()
        .filter(|(name, _)| !BULKY.contains(&name.as_str()));
    told.filter_map(|(name, value)| Some(format!("{name}: {}", scalar(value)?)))
        .take(MOST_FIELDS)
        .collect()
}

fn scalar(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(info: &Value, expected: &str) {
        let infos = [info.as_object().unwrap().clone()];
        assert_eq!(feedback(&infos, 0.5), expected);
    }

    #[test]
    fn the_expected_answer_is_named_in_the_words_of_scorers() {
        check(
            &json!({"expected_label": "1", "predicted_label": "0", "label_correct": false}),
            "The answer `0` is wrong; the expected answer is `1`.",
        );
        check(
            &json!({"expected_intent": "a", "predicted_intent": "a", "correct": true}),
            "Correct: the expected answer is `a`.",
        );
        check(
            &json!({"expected_label": "1", "predicted_label": "", "label_correct": false}),
            "The response gives no answer; the expected answer is `1`.",
        );
    }

    #[test]
    fn other_apps_are_quoted() {
        check(
            &json!({"passed": 3, "log": "two tests failed", "response_json": {"id": 1}}),
            "passed: 3\nlog: two tests failed\nscore: 0.5",
        );
    }
}
