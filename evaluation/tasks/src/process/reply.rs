//! Reads the fields of a reply, leniently where their meaning is clear.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use gepa_evaluation::{Evaluation, Failure, FailureKind, MicroUsd, Outcome, Scored, Usage};

/// The answer to one request as it came; `null` counts as left out.
#[derive(Debug)]
pub(super) struct Answer(Map<String, Value>);

impl Answer {
    pub(super) fn of(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// The request's id, and the evaluation of its rollout. An invalid field is a failure that
    /// names it.
    pub(super) fn evaluation(mut self) -> Result<(u64, Evaluation), String> {
        let id = count_in(&self.take("id")).ok_or("its reply has no `id`")?;
        let evaluation = self.read().unwrap_or_else(|reason| {
            let message = format!("the evaluator's reply cannot be used: {reason}");
            Evaluation::free(Outcome::failed(FailureKind::Permanent, message))
        });
        Ok((id, evaluation))
    }

    /// The evaluation; the error says which field makes no sense.
    pub(super) fn read(mut self) -> Result<Evaluation, String> {
        let usage = read_usage(&self.take("usage"))?;
        let error = self.take("error");
        let outcome = match (self.take("score"), says_nothing(&error)) {
            (Value::Null, true) => return Err("it has neither `score` nor `error`".to_owned()),
            (Value::Null, false) => Outcome::Failed(read_error(&error)),
            (_, false) => return Err("it has both `score` and `error`".to_owned()),
            (score, true) => Outcome::Scored(Scored {
                score: read_number("score", &score)?,
                objectives: read_objectives(&self.take("objectives"))?,
                feedback: text_in(self.take("feedback")),
                output: text_in(self.take("output")),
                trace: Some(self.take("trace")).filter(|trace| !trace.is_null()),
            }),
        };
        Ok(Evaluation::with_usage(outcome.checked(), usage))
    }

    fn take(&mut self, name: &str) -> Value {
        self.0.get_mut(name).map(Value::take).unwrap_or_default()
    }
}

/// A count: a whole number, also with `.0` behind it or in quotes.
pub(super) fn count_in(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64()?;
            let is_count = float >= 0.0 && float.fract() == 0.0 && float < 9e15;
            is_count.then_some(float as u64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Escapes of half a pair of surrogates replaced by the sign for unreadable characters.
pub(super) fn without_lone_surrogates(json: &str) -> String {
    let mut repaired = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        repaired.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match (escaped_unit(rest), rest.get(6..).and_then(escaped_unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                repaired.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            _ => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        repaired.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    repaired + rest
}

fn escaped_unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

fn read_number(name: &str, value: &Value) -> Result<f64, String> {
    let number = match value {
        Value::Bool(passed) => Some(f64::from(*passed)),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| format!("`{name}` is {}; it must be a number", kind_of(value)))
}

fn read_objectives(value: &Value) -> Result<IndexMap<Arc<str>, f64>, String> {
    let mut objectives = IndexMap::new();
    for (name, value) in object_in("objectives", value)? {
        if !value.is_null() {
            let number = read_number(&format!("objectives.{name}"), value)?;
            objectives.insert(name.as_str().into(), number);
        }
    }
    Ok(objectives)
}

pub(super) fn read_error(error: &Value) -> Failure {
    let Value::Object(fields) = error else {
        return Failure::new(FailureKind::Permanent, plain_text(error.clone()));
    };
    let message = fields
        .get("message")
        .filter(|message| !says_nothing(message));
    let message = message.map_or_else(
        || format!("it gave no message: {error}"),
        |message| plain_text(message.clone()),
    );
    let kind = fields.get("kind").unwrap_or(&Value::Null);
    match serde_json::from_value(kind.clone()) {
        Ok(kind) => Failure::new(kind, message),
        Err(_) if kind.is_null() => Failure::new(FailureKind::Permanent, message),
        Err(_) => Failure::new(
            FailureKind::Permanent,
            format!("{message} (the error's kind {kind} is not known)"),
        ),
    }
}

pub(super) fn read_usage(value: &Value) -> Result<Usage, String> {
    let fields = object_in("usage", value)?;
    let count = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(0),
        Some(value) => {
            let count = count_in(value).filter(|count| *count <= Usage::MOST_COUNTED);
            count.ok_or_else(|| {
                let (is, most) = (kind_of(value), Usage::MOST_COUNTED);
                format!("`usage.{name}` is {is}; it must be a whole number from 0 to {most}")
            })
        }
    };
    let cost = match fields.get("cost_usd") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let dollars = read_number("usage.cost_usd", value)?;
            if !(0.0..=Usage::MOST_DOLLARS).contains(&dollars) {
                let (is, most) = (kind_of(value), Usage::MOST_DOLLARS);
                return Err(format!(
                    "`usage.cost_usd` is {is}; it must be from 0 to {most} dollars"
                ));
            }
            Some(dollars)
        }
    };
    let (prompt_tokens, completion_tokens) = (count("prompt_tokens")?, count("completion_tokens")?);
    let unknown_tokens = count("unknown_tokens")?;
    let tokens = prompt_tokens.saturating_add(completion_tokens);
    let calls = count("calls")?;
    let used_model = calls > 0 || tokens > 0 || unknown_tokens > 0;
    let calls = if used_model { calls.max(1) } else { 0 };
    Ok(Usage {
        calls,
        prompt_tokens,
        completion_tokens,
        cached_tokens: count("cached_tokens")?,
        unknown_tokens,
        cost: MicroUsd::from_dollars(cost.unwrap_or(0.0)),
        unpriced_calls: if cost.is_some() { 0 } else { calls },
    })
}

fn object_in<'v>(name: &str, value: &'v Value) -> Result<&'v Map<String, Value>, String> {
    static NOTHING: std::sync::LazyLock<Map<String, Value>> =
        std::sync::LazyLock::new(Map::default);
    match value {
        Value::Null => Ok(&NOTHING),
        Value::Object(fields) => Ok(fields),
        _ => Err(format!(
            "`{name}` is {}; it must be an object",
            kind_of(value)
        )),
    }
}

/// Whether an `error` field reports no error: programs that always send the key leave it empty.
pub(super) fn says_nothing(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn text_in(value: Value) -> Option<String> {
    (!value.is_null()).then(|| plain_text(value))
}

fn plain_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn kind_of(value: &Value) -> String {
    const SHOWN: usize = 60;
    let shown: String = value.to_string().chars().take(SHOWN).collect();
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "the truth value",
        Value::Number(_) => "the number",
        Value::String(_) => "the text",
        Value::Array(_) => "the list",
        Value::Object(_) => "the object",
    };
    format!("{kind} {shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reply: &str) -> Result<Evaluation, String> {
        Answer::of(serde_json::from_str(reply).unwrap()).read()
    }

    fn scored(reply: &str) -> Scored {
        read(reply).unwrap().outcome.scored().unwrap().clone()
    }

    #[test]
    fn what_is_clear_is_read() {
        assert_eq!(scored(r#"{"score": true}"#).score, 1.0);
        assert_eq!(scored(r#"{"score": "0.5", "error": ""}"#).score, 0.5);
        let loose = r#"{"score": 1, "feedback": ["a", "b"], "output": {"x": 1}, "trace": "seen",
            "objectives": {"fast": true, "slow": null}, "error": null, "usage": null}"#;
        let loose = scored(loose);
        assert_eq!(loose.feedback.as_deref(), Some(r#"["a","b"]"#));
        assert_eq!(loose.output.as_deref(), Some(r#"{"x":1}"#));
        assert_eq!(loose.trace, Some(Value::from("seen")));
        assert_eq!(loose.objectives.get("fast"), Some(&1.0));
        let usage = read(
            r#"{"score": 0, "usage": {"prompt_tokens": 12.0, "calls": "2", "cost_usd": null}}"#,
        );
        let usage = usage.unwrap().usage;
        assert_eq!(
            (usage.prompt_tokens, usage.calls, usage.unpriced_calls),
            (12, 2, 2)
        );
    }

    #[test]
    fn an_error_is_a_text_or_an_object() {
        let failed = |kind, message: &str| Outcome::failed(kind, message);
        for (reply, outcome) in [
            (
                r#"{"error": "boom"}"#,
                failed(FailureKind::Permanent, "boom"),
            ),
            (
                r#"{"error": {"kind": "timeout", "message": "slow"}}"#,
                failed(FailureKind::Timeout, "slow"),
            ),
            (
                r#"{"error": {"kind": "odd", "message": "x"}}"#,
                failed(
                    FailureKind::Permanent,
                    "x (the error's kind \"odd\" is not known)",
                ),
            ),
        ] {
            assert_eq!(read(reply).unwrap().outcome, outcome);
        }
    }

    #[test]
    fn what_is_not_clear_is_refused_by_name() {
        for (reply, reason) in [
            (
                r#"{"score": "high"}"#,
                "`score` is the text \"high\"; it must be a number",
            ),
            (
                r#"{"score": [1]}"#,
                "`score` is the list [1]; it must be a number",
            ),
            (
                r#"{"score": 1, "objectives": {"a": "x"}}"#,
                "`objectives.a` is the text",
            ),
            (
                r#"{"score": 1, "objectives": [1]}"#,
                "`objectives` is the list [1]; it must be an object",
            ),
            (
                r#"{"score": 1, "usage": {"calls": -1}}"#,
                "`usage.calls` is the number -1",
            ),
            (
                r#"{"score": 1, "usage": {"prompt_tokens": 18446744073709551615}}"#,
                "`usage.prompt_tokens` is the number 18446744073709551615; it must be a whole number from 0 to \
                 1099511627776",
            ),
            (
                r#"{"score": 1, "usage": {"cost_usd": 1e13}}"#,
                "; it must be from 0 to 1000000 dollars",
            ),
            (
                r#"{"score": 1, "usage": {"cost_usd": -0.5}}"#,
                "`usage.cost_usd` is the number -0.5",
            ),
            (r#"{"score": 1, "error": "x"}"#, "both `score` and `error`"),
            (r#"{"feedback": "x"}"#, "neither `score` nor `error`"),
        ] {
            let refused = read(reply).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
    }

    #[test]
    fn half_a_pair_of_surrogates_is_replaced_and_a_whole_one_kept() {
        for (json, repaired) in [
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\\ud83d""#, r#""\\ud83d""#),
            (r#""\ude00\n""#, r#""\ufffd\n""#),
        ] {
            assert_eq!(without_lone_surrogates(json), repaired);
        }
    }
}
