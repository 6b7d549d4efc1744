//! Anthropic's messages.

use serde_json::{Value, json};

use super::chat::{Chat, Turn, laid_over};
use super::native::{Native, call_of, count, finish_of, usage_of};
use crate::reply::Said;
use crate::settings::ASSUMED_COMPLETION_TOKENS;

/// The version of the interface that this module writes and reads.
pub(crate) const VERSION: &str = "2023-06-01";

pub(super) fn request(chat: Chat) -> Value {
    let mut body =
        Value::Object(chat.sampling(["temperature", "top_p", "max_tokens", "stop_sequences"]));
    body["model"] = json!(chat.model);
    if body.get("max_tokens").is_none() {
        body["max_tokens"] = json!(ASSUMED_COMPLETION_TOKENS);
    }
    let mut system: Vec<Value> = chat
        .system
        .iter()
        .map(|text| json!({"type": "text", "text": text}))
        .collect();
    if let Some(last) = system.last_mut() {
        // The system prompt is equal for all rollouts of a candidate; cached tokens cost a tenth.
        last["cache_control"] = json!({"type": "ephemeral"});
        body["system"] = Value::Array(system);
    }
    body["messages"] = chat
        .turns
        .iter()
        .map(|turn| json!({"role": turn.role, "content": content(turn)}))
        .collect();
    laid_over(body, chat.rest)
}

fn content(turn: &Turn) -> Value {
    match turn.halves() {
        None => json!(turn.text),
        Some((marked, rest)) => json!([
            {"type": "text", "text": marked, "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": rest},
        ]),
    }
}

pub(super) fn read(reply: &Value) -> Option<Native> {
    let parts = reply.get("content")?;
    let said = Said::of_content(parts);
    let of_type = |kind: &'static str| {
        let parts = parts.as_array().into_iter().flatten();
        parts.filter(move |part| part.get("type").and_then(Value::as_str) == Some(kind))
    };
    let has_text = of_type("text").next().is_some();
    let tool_calls = of_type("tool_use").map(|part| call_of(part, "id", "input"));
    let tokens = |name: &str| count(reply, &format!("/usage/{name}"));
    let cached = tokens("cache_read_input_tokens").unwrap_or(0);
    let written = tokens("cache_creation_input_tokens").unwrap_or(0);
    let usage = tokens("input_tokens").zip(tokens("output_tokens"));
    Some(Native {
        text: has_text.then_some(said.text),
        reasoning: said.reasoning,
        tool_calls: tool_calls.collect(),
        finish: finish_of(reply.get("stop_reason").and_then(Value::as_str)),
        // Cached tokens are counted beside the others.
        usage: usage.map_or(Value::Null, |(input, output)| {
            usage_of(input + cached + written, output, cached, written)
        }),
    })
}
