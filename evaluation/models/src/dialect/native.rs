//! The content of a native reply, and the chat completion that it becomes.

use serde_json::{Value, json};

use crate::reply::MOST_TOKENS;

/// The content of a native reply.
pub(super) struct Native {
    pub(super) text: Option<String>,
    pub(super) reasoning: String,
    /// Calls of tools in the form of chat completions, see [`call_of`].
    pub(super) tool_calls: Vec<Value>,
    /// The reason for the end in the words of chat completions.
    pub(super) finish: &'static str,
    pub(super) usage: Value,
}

impl Native {
    pub(super) fn into_completion(self) -> Value {
        let mut message = json!({"role": "assistant", "content": self.text});
        if !self.reasoning.is_empty() {
            message["reasoning_content"] = Value::String(self.reasoning);
        }
        let mut finish = self.finish;
        if !self.tool_calls.is_empty() {
            message["tool_calls"] = Value::Array(self.tool_calls);
            // Not every protocol has a word of its own for this end.
            if finish == "stop" {
                finish = "tool_calls";
            }
        }
        json!({
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": self.usage,
        })
    }
}

/// A call of a tool in the form of chat completions, whose arguments are JSON in a text.
pub(super) fn call_of(call: &Value, id: &str, arguments: &str) -> Value {
    let arguments = match call.get(arguments) {
        Some(Value::String(json)) => json.clone(),
        Some(value) => value.to_string(),
        None => "{}".to_owned(),
    };
    let function = json!({"name": call.get("name"), "arguments": arguments});
    let mut written = json!({"type": "function", "function": function});
    if let Some(id) = call.get(id).filter(|id| !id.is_null()) {
        written["id"] = id.clone();
    }
    written
}

/// A native end in the words of chat completions.
pub(super) fn finish_of(word: Option<&str>) -> &'static str {
    match word.unwrap_or_default().to_ascii_lowercase().as_str() {
        "max_tokens" | "max_output_tokens" | "model_context_window_exceeded" => "length",
        "tool_use" => "tool_calls",
        "refusal"
        | "safety"
        | "recitation"
        | "blocklist"
        | "prohibited_content"
        | "spii"
        | "content_filter"
        | "content_filtered"
        | "guardrail_intervened" => "content_filter",
        _ => "stop",
    }
}

/// Usage in the words of chat completions; `prompt` counts everything the model read.
pub(super) fn usage_of(prompt: u64, completion: u64, cached: u64, cache_written: u64) -> Value {
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "cache_creation_input_tokens": cache_written,
    })
}

/// A count in a reply; `None` where it is absent or impossibly large.
pub(super) fn count(reply: &Value, pointer: &str) -> Option<u64> {
    let count = reply.pointer(pointer).and_then(Value::as_u64);
    count.filter(|count| *count <= MOST_TOKENS)
}
