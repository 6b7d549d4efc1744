//! Reads chat completions leniently, but never guesses a number.

mod content;
mod lenient;
mod usage;

use serde_json::{Value, json};

use super::assembly::completion_of_stream;
use super::dialect::Dialect;
use gepa_evaluation::FinishReason;

pub(super) use content::Said;
pub(super) use usage::{Counted, MOST_TOKENS, Reported, ReportedTokens};

/// A reply that is a completion.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(super) body: Vec<u8>,
    /// An object with at least one choice.
    pub(super) json: Value,
    /// Whether `body` is this JSON as it stands, for readers less lenient than we are.
    pub(super) is_as_sent: bool,
}

/// A success status with a body that is no completion, and the usage that it reports.
#[derive(Clone, Debug)]
pub(crate) struct Unreadable {
    pub(super) fault: ReplyFault,
    pub(super) reported: Reported,
}

#[derive(Clone, Debug)]
pub(crate) enum ReplyFault {
    /// No chat completion. `is_written` is true if a model seems to have written it.
    NotACompletion { reason: String, is_written: bool },
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
    pub(super) reason: String,
    /// Whether the model was cut off before it answered. Another attempt would end the same way.
    pub(super) is_cut_off: bool,
}

impl Reply {
    /// Reads a chat completion.
    pub(crate) fn parse(body: Vec<u8>) -> Result<Self, Unreadable> {
        Self::parse_as(body, Dialect::ChatCompletions)
    }

    /// Reads a reply of this dialect.
    pub(super) fn parse_as(body: Vec<u8>, dialect: Dialect) -> Result<Self, Unreadable> {
        let (json, is_as_sent) = if is_event_stream(&body) {
            (completion_of_stream(&body)?, false)
        } else {
            lenient::read(&body).map_err(|fault| not_json(&body, &fault))?
        };
        let reply = Self {
            body,
            json: dialect.completion(json),
            is_as_sent: is_as_sent && dialect.is_chat_completions(),
        };
        reply.checked()
    }

    /// A reply made from JSON, without a body.
    pub(super) fn of_json(json: Value) -> Self {
        Self {
            body: Vec::new(),
            json,
            is_as_sent: false,
        }
    }

    fn checked(self) -> Result<Self, Unreadable> {
        let reported = self.reported();
        let unreadable = |fault| Err(Unreadable { fault, reported });
        let choice = self.json.pointer("/choices/0");
        let has_message = choice.is_some_and(|choice| choice["message"].is_object());
        let error = self.json.get("error");
        if let Some(error) = error.filter(|error| !says_nothing(error)) {
            let status = status_in(error).unwrap_or(500);
            let body = self.body;
            return unreadable(ReplyFault::Error { status, body });
        }
        if let Some(error) = choice.and_then(choice_error) {
            let status = status_in(error).unwrap_or(502);
            let error = match error {
                Value::String(end) => format!("the reply ended with `{end}` and no reason").into(),
                other => other.clone(),
            };
            let body = json!({"error": error}).to_string().into_bytes();
            return unreadable(ReplyFault::ChoiceError { status, body });
        }
        if !has_message {
            return unreadable(ReplyFault::NotACompletion {
                reason: "the reply has no choices".to_owned(),
                is_written: false,
            });
        }
        match self.no_answer(&self.said()) {
            Some(no_answer) => unreadable(ReplyFault::NoAnswer(no_answer)),
            None => Ok(self),
        }
    }

    pub(crate) fn reported(&self) -> Reported {
        reported_in(&self.json)
    }

    /// The content of the first choice.
    pub(crate) fn said(&self) -> Said {
        let message = self.json.pointer("/choices/0/message");
        message.map(Said::of_message).unwrap_or_default()
    }

    /// Why `said` is no answer to anything, if it is none.
    pub(super) fn no_answer(&self, said: &Said) -> Option<NoAnswer> {
        let end = self.finish_reason();
        let may_be_silent = matches!(end, FinishReason::Refusal | FinishReason::ToolCalls);
        if !said.text.trim().is_empty() || may_be_silent || !self.tool_calls().is_empty() {
            return None;
        }
        let is_cut_off = end == FinishReason::Length;
        let content = self.json.pointer("/choices/0/message/content");
        let is_only_reasoning = !said.reasoning.trim().is_empty() || self.is_all_reasoning();
        let is_said_empty = content.is_some_and(Value::is_string);
        if is_said_empty && !is_only_reasoning && !is_cut_off {
            return None;
        }
        let what = if is_only_reasoning {
            "the reply is all reasoning and no answer"
        } else {
            "the reply has no text"
        };
        let reason = if is_cut_off {
            format!("{what}: it was cut off at the token limit; raise `max_tokens`")
        } else {
            what.to_owned()
        };
        Some(NoAnswer { reason, is_cut_off })
    }

    /// The first choice's tool calls.
    pub(super) fn tool_calls(&self) -> Vec<Value> {
        self.json
            .pointer("/choices/0/message/tool_calls")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    }

    /// Why the first choice ended.
    pub(crate) fn finish_reason(&self) -> FinishReason {
        let refusal = self.json.pointer("/choices/0/message/refusal");
        if refusal
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty())
        {
            return FinishReason::Refusal;
        }
        let reason = self.json.pointer("/choices/0/finish_reason");
        finish_reason_of(reason.and_then(Value::as_str))
    }

    /// The approximate number of tokens in all choices, for replies without usage.
    pub(crate) fn estimated_completion_tokens(&self) -> u64 {
        let choices = self.json.get("choices").and_then(Value::as_array);
        let characters = choices
            .into_iter()
            .flatten()
            .filter_map(|choice| choice.get("message"))
            .map(|message| {
                let called = message
                    .get("tool_calls")
                    .map_or(0, |calls| calls.to_string().len());
                let said = Said::of_message(message);
                called + said.text.chars().count() + said.reasoning.chars().count()
            })
            .sum();
        tokens_for(characters)
    }

    fn is_all_reasoning(&self) -> bool {
        let count = |pointer| self.json.pointer(pointer).and_then(Value::as_u64);
        let reasoning = count("/usage/completion_tokens_details/reasoning_tokens");
        let completion = count("/usage/completion_tokens");
        reasoning.is_some_and(|tokens| tokens > 0 && completion.is_none_or(|all| tokens >= all))
    }
}

/// The cost that a body, or a piece of a stream, reports.
pub(super) fn reported_in(json: &Value) -> Reported {
    let usage = json.get("usage").filter(|usage| usage.is_object());
    let usage = usage.or_else(|| json.pointer("/x_groq/usage"));
    usage.map(Reported::of).unwrap_or_default()
}

/// Whether an `error` member is there only for form's sake.
pub(super) fn says_nothing(error: &Value) -> bool {
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
pub(super) fn status_in(error: &Value) -> Option<u16> {
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
pub(super) fn choice_error(choice: &Value) -> Option<&Value> {
    let error = choice.get("error").filter(|error| !says_nothing(error));
    let end = choice.get("finish_reason");
    error.or_else(|| end.filter(|end| end.as_str() == Some("error")))
}

/// A provider's word for why a choice ended, in whichever spelling.
pub(super) fn finish_reason_of(word: Option<&str>) -> FinishReason {
    let Some(word) = word else {
        return FinishReason::Other("missing".to_owned());
    };
    match word.to_ascii_lowercase().as_str() {
        "stop" | "end_turn" | "stop_sequence" | "eos" | "eos_token" => FinishReason::Stop,
        "length" | "max_tokens" | "max_output_tokens" | "model_context_window_exceeded" => {
            FinishReason::Length
        }
        "content_filter" | "refusal" | "safety" => FinishReason::Refusal,
        "tool_calls" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        _ => FinishReason::Other(word.to_owned()),
    }
}

/// The approximate number of tokens in the messages of a request.
pub(super) fn estimated_prompt_tokens(request: &Value) -> u64 {
    let messages = request.get("messages").and_then(Value::as_array);
    let characters = messages
        .into_iter()
        .flatten()
        .filter_map(|message| message.get("content"))
        .map(|content| Said::of_content(content).text.chars().count())
        .sum();
    tokens_for(characters)
}

/// Four characters a token, at least one token.
pub(super) fn tokens_for(characters: usize) -> u64 {
    (characters as u64).div_ceil(4).max(1)
}

/// JSON of a stream's line or an error's body, as leniently as that of a reply.
pub(super) fn lenient_json(bytes: &[u8]) -> Option<Value> {
    lenient::read(bytes).ok().map(|(json, _)| json)
}

/// Whether a body is an event stream although the request wanted a whole reply.
fn is_event_stream(body: &[u8]) -> bool {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let body = body.trim_ascii_start();
    let fields: [&[u8]; 5] = [b"data:", b"event:", b"id:", b"retry:", b":"];
    fields.iter().any(|field| body.starts_with(field))
}

fn not_json(body: &[u8], fault: &lenient::NotJson) -> Unreadable {
    let text = body.trim_ascii();
    let is_page = text.starts_with(b"<");
    let reason = if text.is_empty() {
        "the reply is empty".to_owned()
    } else if is_page {
        match title_of(&String::from_utf8_lossy(body)) {
            Some(title) => format!("the reply is a web page, titled `{title}`"),
            None => "the reply is a web page".to_owned(),
        }
    } else {
        let lenient::NotJson { at, reason } = fault;
        format!(
            "the reply is not valid JSON at byte {at} of {}: {reason}",
            body.len()
        )
    };
    Unreadable {
        fault: ReplyFault::NotACompletion {
            reason,
            is_written: !is_page && !text.is_empty(),
        },
        reported: Reported::salvaged(body),
    }
}

/// The title of a web page.
pub(super) fn title_of(page: &str) -> Option<String> {
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

#[cfg(test)]
mod tests;
