//! Reads chat completions leniently, but never guesses a number.

mod content;
mod fault;
mod lenient;
mod usage;

use serde_json::{Value, json};

use super::assembly::completion_of_stream;
use super::dialect::Dialect;
use gepa_evaluation::{Completion, FinishReason, Usage};

pub(super) use content::{Said, finish_reason_of, tokens_for};
pub(super) use fault::{
    NoAnswer, ReplyFault, Unreadable, choice_error, not_json, says_nothing, status_in, title_of,
};
pub(super) use lenient::lenient_json;
pub(super) use usage::{Counted, MOST_TOKENS, Reported, ReportedTokens, reported_in};

/// A reply that is a completion.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(super) body: Vec<u8>,
    /// An object with at least one choice.
    pub(super) json: Value,
    /// Whether `body` is this JSON as it stands, for readers less lenient than we are.
    pub(super) is_as_sent: bool,
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

    /// The first choice's tool calls; one in the older form is written in the newer.
    pub(super) fn tool_calls(&self) -> Vec<Value> {
        let Some(message) = self.json.pointer("/choices/0/message") else {
            return Vec::new();
        };
        let calls = message.get("tool_calls").and_then(Value::as_array);
        let older = message.get("function_call").filter(|call| call.is_object());
        match (calls, older) {
            (Some(calls), _) if !calls.is_empty() => calls.clone(),
            (_, Some(call)) => vec![json!({"type": "function", "function": call})],
            _ => Vec::new(),
        }
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

/// Whether a body is an event stream although the request wanted a whole reply.
fn is_event_stream(body: &[u8]) -> bool {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let body = body.trim_ascii_start();
    let fields: [&[u8]; 5] = [b"data:", b"event:", b"id:", b"retry:", b":"];
    fields.iter().any(|field| body.starts_with(field))
}

pub(super) fn completion_of(reply: &Reply, said: Said, usage: Usage) -> Completion {
    Completion {
        text: said.text,
        reasoning: (!said.reasoning.trim().is_empty()).then_some(said.reasoning),
        finish_reason: reply.finish_reason(),
        tool_calls: reply.tool_calls(),
        usage,
    }
}

#[cfg(test)]
mod tests;
