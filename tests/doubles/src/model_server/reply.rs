//! The server's answers without a fault.

use serde_json::{Value, json};

use super::fault::Fault;
use super::request::ModelCall;

/// A completion to send.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelReply {
    /// The assistant's text.
    pub text: String,
    /// The `finish_reason` field.
    pub finish_reason: String,
    /// The `refusal` field of the message.
    pub refusal: Option<String>,
    /// The `tool_calls` field of the message; left out if it is empty.
    pub tool_calls: Vec<Value>,
    /// The tokens to report; `None` reports a quarter of the characters, rounded up.
    pub usage: Option<ReportedUsage>,
}

/// The tokens that a reply reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportedUsage {
    /// Prompt tokens, cached ones included.
    pub prompt_tokens: u64,
    /// Completion tokens.
    pub completion_tokens: u64,
    /// The cached part of the prompt tokens.
    pub cached_tokens: u64,
}

impl ModelReply {
    /// A text that ends normally.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            finish_reason: "stop".to_owned(),
            refusal: None,
            tool_calls: Vec::new(),
            usage: None,
        }
    }

    /// Sets the tokens that the reply reports.
    #[must_use]
    pub fn reporting(mut self, prompt_tokens: u64, completion_tokens: u64) -> Self {
        self.usage = Some(ReportedUsage {
            prompt_tokens,
            completion_tokens,
            cached_tokens: 0,
        });
        self
    }

    /// Applies a fault that leaves the reply a completion.
    pub(super) fn bent(mut self, fault: Option<&Fault>) -> Self {
        match fault {
            Some(Fault::Length) => "length".clone_into(&mut self.finish_reason),
            Some(Fault::ContentFilter) => {
                "content_filter".clone_into(&mut self.finish_reason);
                self.text.clear();
            }
            Some(Fault::Refusal) => {
                self.refusal = Some("this cannot be answered".to_owned());
                self.text.clear();
            }
            Some(Fault::ToolCalls) => {
                "tool_calls".clone_into(&mut self.finish_reason);
                self.text.clear();
                self.tool_calls = vec![json!({
                    "id": "call_0",
                    "type": "function",
                    "function": {"name": "answer", "arguments": "{\"value\":1}"},
                })];
            }
            Some(Fault::HugeBody(bytes)) => self.text = "x".repeat(*bytes),
            _ => {}
        }
        self
    }

    pub(super) fn usage_for(&self, call: &ModelCall) -> ReportedUsage {
        self.usage.unwrap_or_else(|| ReportedUsage {
            prompt_tokens: quarter(call.prompt_characters()),
            completion_tokens: quarter(self.text.chars().count()),
            cached_tokens: 0,
        })
    }

    /// The body of a chat completion; without usage if `usage` is `None`.
    pub(super) fn to_json(&self, call: &ModelCall, usage: Option<ReportedUsage>) -> Value {
        let mut message = json!({"role": "assistant", "content": self.text});
        if let Some(refusal) = &self.refusal {
            message["refusal"] = json!(refusal);
        }
        if !self.tool_calls.is_empty() {
            message["content"] = Value::Null;
            message["tool_calls"] = json!(self.tool_calls);
        }
        let mut completion = json!({
            "id": format!("chatcmpl-{}", call.index),
            "object": "chat.completion",
            "created": 0,
            "model": call.body.get("model").cloned().unwrap_or(Value::Null),
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish_reason}],
        });
        if let Some(usage) = usage {
            completion["usage"] = json!({
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
                "total_tokens": usage.prompt_tokens + usage.completion_tokens,
                "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
            });
        }
        completion
    }
}

fn quarter(characters: usize) -> u64 {
    (characters as u64).div_ceil(4)
}
