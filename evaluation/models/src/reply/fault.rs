//! Why a body is no completion, and where a body says so itself.

use serde_json::Value;

use super::lenient::NotJson;
use super::usage::Reported;

/// A success status with a body that is no completion, and the usage that it reports.
#[derive(Clone, Debug)]
pub(crate) struct Unreadable {
    pub(crate) fault: ReplyFault,
    pub(crate) reported: Reported,
}

#[derive(Clone, Debug)]
pub(crate) enum ReplyFault {
    /// No chat completion. `is_written` is true if a model seems to have written it.
    NotACompletion { reason: String, is_written: bool },
    /// A web page.
    Page { reason: String },
    /// An error in disguise, with the status it should have had.
    Error { status: u16, body: Vec<u8> },
    /// An error in place of one choice: the server behind this address failed.
    ChoiceError { status: u16, body: Vec<u8> },
    /// A completion that answers nothing.
    NoAnswer(NoAnswer),
}

/// Why a completion answers nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoAnswer {
    pub(crate) reason: String,
    /// Whether the model was cut off before it answered. Another attempt would end the same way.
    pub(crate) is_cut_off: bool,
}

/// Whether an `error` member is there only for form's sake.
pub(crate) fn says_nothing(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Array(items) => items.iter().all(says_nothing),
        Value::Object(fields) => fields.values().all(says_nothing),
        Value::Bool(true) => false,
    }
}

/// The status an error object gives: gateways report upstream trouble under a success status.
pub(crate) fn status_in(error: &Value) -> Option<u16> {
    let code =
        ["code", "status", "status_code"]
            .iter()
            .find_map(|name| match error.get(name)? {
                Value::Number(code) => code.as_u64(),
                Value::String(code) => code.parse().ok(),
                _ => None,
            })?;
    (400..600).contains(&code).then_some(code as u16)
}

/// The error in place of a choice: an object, or an end that says no more than `error`.
pub(crate) fn choice_error(choice: &Value) -> Option<&Value> {
    let error = choice.get("error").filter(|error| !says_nothing(error));
    let end = choice.get("finish_reason");
    error.or_else(|| end.filter(|end| end.as_str() == Some("error")))
}

pub(crate) fn not_json(body: &[u8], fault: &NotJson) -> Unreadable {
    let text = body.trim_ascii();
    if text.starts_with(b"<") {
        let reason = match title_of(&String::from_utf8_lossy(body)) {
            Some(title) => format!("the reply is a web page, titled `{title}`"),
            None => "the reply is a web page".to_owned(),
        };
        return Unreadable {
            fault: ReplyFault::Page { reason },
            reported: Reported::default(),
        };
    }
    let reason = if text.is_empty() {
        "the reply is empty".to_owned()
    } else {
        let NotJson { at, reason } = fault;
        format!(
            "the reply is not valid JSON at byte {at} of {}: {reason}",
            body.len()
        )
    };
    Unreadable {
        fault: ReplyFault::NotACompletion {
            reason,
            is_written: !text.is_empty(),
        },
        reported: Reported::salvaged(body),
    }
}

/// The title of a web page.
pub(crate) fn title_of(page: &str) -> Option<String> {
    // ASCII changes no lengths, so the places found are places in the page.
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let from = start + lower[start..].find('>')? + 1;
    let to = from + lower[from..].find("</title")?;
    let title = page[from..to]
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    (!title.is_empty()).then_some(title)
}
