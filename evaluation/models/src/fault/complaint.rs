//! Reads a provider's error body, in the forms that providers, gateways and servers send.

use std::time::Duration;

use serde_json::Value;

use crate::reply::{lenient_json, title_of};
use crate::retry_after::{duration_in, pause_in_words};

/// Longest part of a provider's message that enters one of ours, in characters.
const LONGEST_QUOTE: usize = 300;

/// Reasons of one list that are quoted.
const MOST_REASONS: usize = 3;

/// Errors wrapped in errors, deeper than any gateway wraps them.
const DEEPEST: usize = 6;

/// The content of a provider's error body.
#[derive(Debug)]
pub(super) struct Complaint {
    /// One line of bounded length, without control characters.
    pub(super) message: String,
    /// The pause that the body asks for.
    pub(super) pause: Option<Duration>,
    /// The quota a day that is used up, by the provider's name for it.
    pub(super) daily_quota: Option<String>,
    /// `error.code`, `error.type` and their relatives, in lower case.
    codes: Vec<String>,
}

impl Complaint {
    pub(super) fn read(text: &str) -> Self {
        let parsed = lenient_json(text.as_bytes()).unwrap_or(Value::Null);
        // Gemini wraps its error object in a list.
        let body = parsed.get(0).unwrap_or(&parsed);
        let error = body.get("error").unwrap_or(body);
        let own = reason_in(error, DEEPEST).or_else(|| reason_in(body, DEEPEST));
        let own = own.or_else(|| title_of(text));
        let mut message = own.unwrap_or_else(|| text.to_owned());
        for behind in reasons_behind(error) {
            if !message.contains(&behind) {
                message = format!("{}: {behind}", message.trim_end_matches('.'));
            }
        }
        let codes = [
            error.get("code"),
            error.get("type"),
            error.get("status"),
            error.pointer("/innererror/code"),
            body.get("code"),
            body.get("__type"),
        ];
        Self {
            pause: retry_info(error).or_else(|| pause_in_words(&message)),
            daily_quota: daily_quota(error),
            codes: codes
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_ascii_lowercase)
                .collect(),
            message: quoted(&message),
        }
    }

    /// Whether there is no money left, or the account is closed.
    pub(super) fn is_about_money(&self) -> bool {
        const SAID: [&str; 5] = [
            "credit balance is too low",
            "insufficient credit",
            "insufficient balance",
            "insufficient fund",
            "billing hard limit",
        ];
        let message = self.message.to_ascii_lowercase();
        self.has_code(&[
            "insufficient_quota",
            "insufficient_credits",
            "insufficient_balance",
            "insufficient_user_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_error",
            "account_deactivated",
            "access_terminated",
        ]) || SAID.iter().any(|phrase| message.contains(phrase))
    }

    pub(super) fn is_refusal(&self) -> bool {
        self.has_code(&[
            "content_filter",
            "content_policy_violation",
            "responsibleaipolicyviolation",
        ])
    }

    fn has_code(&self, known: &[&str]) -> bool {
        self.codes.iter().any(|code| known.contains(&code.as_str()))
    }
}

/// The words in an error: a text, an object with a message in it, or a list of either.
fn reason_in(value: &Value, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::String(text) => {
            let inner = text.trim_start().starts_with(['{', '[']);
            let inner = inner.then(|| lenient_json(text.as_bytes())).flatten();
            let reason = inner.and_then(|inner| reason_in(&inner, depth));
            reason.or_else(|| (!text.trim().is_empty()).then(|| text.clone()))
        }
        Value::Array(items) => {
            let reasons = items.iter().filter_map(|item| reason_in(item, depth));
            let reasons: Vec<String> = reasons.take(MOST_REASONS).collect();
            (!reasons.is_empty()).then(|| reasons.join("; "))
        }
        Value::Object(fields) => {
            let names = [
                "message",
                "Message",
                "msg",
                "error",
                "detail",
                "errors",
                "description",
            ];
            let reason = names
                .iter()
                .find_map(|name| reason_in(fields.get(*name)?, depth))?;
            Some(match fields.get("loc").and_then(path_of) {
                Some(path) => format!("{path}: {reason}"),
                None => reason,
            })
        }
        _ => None,
    }
}

/// The place of a validation error in a request: `body.messages.0`.
fn path_of(place: &Value) -> Option<String> {
    let steps = place.as_array()?.iter().map(|step| match step {
        Value::String(name) => name.clone(),
        other => other.to_string(),
    });
    Some(steps.collect::<Vec<_>>().join("."))
}

/// The reasons that a gateway quotes from the provider behind it.
fn reasons_behind(error: &Value) -> impl Iterator<Item = String> {
    let behind = error
        .pointer("/metadata/raw")
        .or_else(|| error.pointer("/metadata/reasons"))
        .and_then(|raw| reason_in(raw, DEEPEST));
    let provider = error
        .pointer("/metadata/provider_name")
        .and_then(Value::as_str);
    let details = error.get("details").filter(|details| details.is_string());
    let details = details.and_then(|details| reason_in(details, DEEPEST));
    let behind = behind.map(|reason| match provider {
        Some(provider) => format!("{reason} (said by {provider})"),
        None => reason,
    });
    [behind, details].into_iter().flatten()
}

fn details(error: &Value) -> impl Iterator<Item = &Value> {
    error
        .get("details")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn retry_info(error: &Value) -> Option<Duration> {
    details(error).find_map(|detail| duration_in(detail.get("retryDelay")?.as_str()?))
}

fn daily_quota(error: &Value) -> Option<String> {
    let violations = details(error)
        .filter_map(|detail| detail.get("violations")?.as_array())
        .flatten();
    violations
        .filter_map(|violation| violation.get("quotaId")?.as_str())
        .find(|id| id.contains("PerDay"))
        .map(quoted)
}

/// One line of bounded length.
pub(super) fn quoted(message: &str) -> String {
    let line: Vec<&str> = message.split_whitespace().collect();
    let line: String = line.join(" ").chars().filter(|c| !c.is_control()).collect();
    if line.is_empty() {
        return "(no message)".to_owned();
    }
    match line.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(body: &Value, message: &str) {
        assert_eq!(
            Complaint::read(&body.to_string()).message,
            message,
            "{body}"
        );
    }

    #[test]
    fn the_reason_behind_a_gateway_reaches_the_reader() {
        let raw = json!({"error": {"message": "top_k must be at least 1 for this model"}});
        check(
            &json!({"error": {
                "message": "Provider returned error", "code": 400,
                "metadata": {"raw": raw.to_string(), "provider_name": "SomeHost"},
            }}),
            "Provider returned error: top_k must be at least 1 for this model (said by SomeHost)",
        );
        check(
            &json!({"error": {"message": "Flagged.", "metadata": {"reasons": ["violence", "hate"]}}}),
            "Flagged: violence; hate",
        );
        check(
            &json!({"error": {"message": "Provider returned error", "metadata": {"raw": "busy"}}}),
            "Provider returned error: busy",
        );
    }

    #[test]
    fn every_usual_form_of_an_error_is_put_into_words() {
        check(
            &json!({"detail": [{
                "type": "extra_forbidden", "loc": ["body", "seed"],
                "msg": "Extra inputs are not permitted", "input": 0,
            }]}),
            "body.seed: Extra inputs are not permitted",
        );
        check(&json!({"detail": "Not Found"}), "Not Found");
        check(
            &json!({"detail": {"message": "no such model"}}),
            "no such model",
        );
        check(&json!({"error": "slow down"}), "slow down");
        check(&json!([{"error": {"message": "wrapped"}}]), "wrapped");
        check(
            &json!({"errors": [{"message": "a"}, {"message": "b"}]}),
            "a; b",
        );
        check(&json!({"message": "flat", "code": 3}), "flat");
        check(
            &json!({"type": "error", "error": {"type": "x", "message": "native"}}),
            "native",
        );
        check(&json!({"error": {"code": 7}}), r#"{"error":{"code":7}}"#);
    }

    #[test]
    fn pages_and_control_characters_are_not_quoted_as_they_are() {
        let page =
            "<!DOCTYPE html><html><head><title>\n 502 Bad Gateway</title></head><body>x</body>";
        assert_eq!(Complaint::read(page).message, "502 Bad Gateway");
        check(
            &json!({"error": {"message": "\u{1b}[31mred\u{7}\nnext"}}),
            "[31mred next",
        );
        assert_eq!(Complaint::read(" \n").message, "(no message)");
    }

    #[test]
    fn pauses_in_the_body_are_read() {
        let gemini = json!([{"error": {"message": "Exhausted.", "details": [
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "6s"},
        ]}}]);
        let pause = |body: &Value| Complaint::read(&body.to_string()).pause;
        assert_eq!(pause(&gemini), Some(Duration::from_secs(6)));
        let words = json!({"error": {"message": "Limit 30. Please try again in 5.5s."}});
        assert_eq!(pause(&words), Some(Duration::from_millis(5_500)));
        assert_eq!(
            pause(&json!({"error": {"message": "try again later"}})),
            None
        );
    }

    #[test]
    fn a_quota_a_day_is_told_from_one_a_minute() {
        let quota = |id: &str| {
            let body = json!([{"error": {"message": "m", "details": [{"violations": [{"quotaId": id}]}]}}]);
            Complaint::read(&body.to_string()).daily_quota
        };
        let a_day = "GenerateRequestsPerDayPerProjectPerModel-FreeTier";
        assert_eq!(quota(a_day).as_deref(), Some(a_day));
        assert_eq!(
            quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"),
            None
        );
    }
}
