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

/// Trouble with the account, and not with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No money is left, or the account is closed.
    Money,
    /// A quota of a day or longer is used up.
    Quota,
    /// The key is not valid, or not any more.
    Key,
}

/// How providers and gateways tell of one kind of trouble, all in lower case.
struct Sign {
    trouble: Trouble,
    /// Whole codes.
    codes: &'static [&'static str],
    /// Parts of a message.
    words: &'static [&'static str],
}

const SIGNS: [Sign; 2] = [
    Sign {
        trouble: Trouble::Money,
        codes: &[
            "insufficient_quota",
            "insufficient_credits",
            "insufficient_balance",
            "insufficient_user_quota",
            "exceeded_current_quota_error",
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_error",
            "budget_exceeded",
            "credit_limit",
            "arrearage",
            "account_deactivated",
            "access_terminated",
        ],
        words: &[
            "credit balance is too low",
            "credit limit exceeded",
            "insufficient credit",
            "insufficient balance",
            "insufficient fund",
            "billing hard limit",
            "budget has been exceeded",
            "exceededbudget",
            "key limit exceeded",
            "account is in good standing",
        ],
    },
    Sign {
        trouble: Trouble::Key,
        codes: &[
            "invalid_api_key",
            "api_key_invalid",
            "api_key_expired",
            "expired_api_key",
        ],
        words: &[
            "api key expired",
            "api key not valid",
            "api key has expired",
        ],
    },
];

/// Whether a message in lower case is about a quota of a day or a month. One that also names a shorter
/// time tells of several limits, of which the shorter one is the likelier.
fn is_long_quota(message: &str) -> bool {
    const LONG: [&str; 10] = [
        "per day",
        "per-day",
        "/ day",
        "/day",
        "byday",
        "daily",
        "per month",
        "/ month",
        "/month",
        "monthly",
    ];
    const SHORT: [&str; 6] = ["second", "minute", "/min", "/ min", "hour", "rpm"];
    let names = |times: &[&str]| times.iter().any(|time| message.contains(time));
    names(&LONG) && !names(&SHORT)
}

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
            body.get("type"),
            body.get("__type"),
        ];
        let reasons = details(error).map(|detail| detail.get("reason"));
        Self {
            pause: retry_info(error).or_else(|| pause_in_words(&message)),
            daily_quota: daily_quota(error),
            codes: codes
                .into_iter()
                .chain(reasons)
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_ascii_lowercase)
                .collect(),
            message: quoted(&message),
        }
    }

    /// The trouble with the account that the body tells of, in an answer with this status.
    pub(super) fn trouble(&self, status: u16, asks_for_pause: bool) -> Option<Trouble> {
        if !(400..500).contains(&status) {
            return None;
        }
        let message = self.message.to_ascii_lowercase();
        let sign = SIGNS.iter().find(|sign| {
            let is_said = sign.words.iter().any(|words| message.contains(words));
            is_said || self.has_code(sign.codes)
        });
        if let Some(sign) = sign {
            return Some(sign.trouble);
        }
        // A limit a day may be one that rolls on. The pause tells when.
        let is_quota = self.daily_quota.is_some() || (!asks_for_pause && is_long_quota(&message));
        (status == 429 && is_quota).then_some(Trouble::Quota)
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

    #[track_caller]
    fn check_trouble(status: u16, body: &Value, expected: Option<Trouble>) {
        let complaint = Complaint::read(&body.to_string());
        let asks_for_pause = complaint.pause.is_some();
        assert_eq!(
            complaint.trouble(status, asks_for_pause),
            expected,
            "{body}"
        );
    }

    #[test]
    fn trouble_with_the_account_is_recognised_in_the_words_of_gateways() {
        let expired = json!([{"error": {
            "code": 400, "message": "API key expired. Please renew the API key.", "status": "INVALID_ARGUMENT",
            "details": [{"reason": "API_KEY_INVALID", "domain": "googleapis.com"}],
        }}]);
        check_trouble(400, &expired, Some(Trouble::Key));
        let arrears = "Access denied, please make sure your account is in good standing.";
        let arrears = json!({"code": "Arrearage", "message": arrears, "request_id": "x"});
        check_trouble(400, &arrears, Some(Trouble::Money));
        for (status, kind, message) in [
            (
                400,
                "budget_exceeded",
                "Budget has been exceeded! Current cost: 10.5",
            ),
            (
                429,
                "budget_exceeded",
                "ExceededBudget: User=x over budget. Spend=1.2",
            ),
            (
                429,
                "exceeded_current_quota_error",
                "Your account org-x is suspended",
            ),
            (403, "none", "Key limit exceeded (total limit)."),
        ] {
            let body =
                json!({"error": {"message": message, "type": kind, "code": status.to_string()}});
            check_trouble(status, &body, Some(Trouble::Money));
        }
    }

    #[test]
    fn a_used_up_quota_is_recognised_by_its_words() {
        for message in [
            "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
            "Tokens per day limit exceeded - too many tokens processed.",
            "You are using a Trial key, which is limited to 1000 API calls / month. Upgrade to a Production key.",
            "You have reached the free monthly usage limit for together. Subscribe to PRO.",
            "Rate limit of 50 per 86400s exceeded for UserByModelByDay.",
        ] {
            check_trouble(429, &json!({"message": message}), Some(Trouble::Quota));
            check_trouble(400, &json!({"message": message}), None);
        }
        for message in [
            "Tokens per minute limit exceeded - too many tokens processed.",
            "You are using a Trial key, which is limited to 20 API calls / minute.",
            "Limits: 30 requests per minute, 1000 requests per day.",
            "Limit on requests per day (RPD): Limit 1000, Used 1000. Please try again in 14m24s.",
            "You exceeded your current quota, please check your plan and billing details.",
            "slow down",
        ] {
            check_trouble(429, &json!({"message": message}), None);
        }
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
