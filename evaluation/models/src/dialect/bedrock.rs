//! Bedrock's `Converse`.

use serde_json::{Value, json};

use super::chat::{Chat, Turn, laid_over};
use super::native::{Native, call_of, count, finish_of, usage_of};

pub(super) fn request(chat: Chat) -> Value {
    let settings = chat.sampling(["temperature", "topP", "maxTokens", "stopSequences"]);
    let takes_marks = takes_cache_points(&chat.model);
    let messages: Vec<Value> = chat
        .turns
        .iter()
        .map(|turn| json!({"role": turn.role, "content": content(turn, takes_marks)}))
        .collect();
    let mut body = json!({"messages": messages});
    if !chat.system.is_empty() {
        let mut system: Vec<Value> = chat
            .system
            .iter()
            .map(|text| json!({"text": text}))
            .collect();
        if takes_marks {
            // The system prompt is equal for all rollouts of a candidate; cached tokens cost a tenth.
            system.push(json!({"cachePoint": {"type": "default"}}));
        }
        body["system"] = Value::Array(system);
    }
    if !settings.is_empty() {
        body["inferenceConfig"] = Value::Object(settings);
    }
    laid_over(body, chat.rest)
}

fn content(turn: &Turn, takes_marks: bool) -> Value {
    match turn.halves().filter(|_| takes_marks) {
        None => json!([{"text": turn.text}]),
        Some((marked, rest)) => {
            json!([{"text": marked}, {"cachePoint": {"type": "default"}}, {"text": rest}])
        }
    }
}

/// Whether a model takes marks for the provider's cache. The others refuse a request that has one, so
/// a model that is not known to take them gets none.
fn takes_cache_points(model: &str) -> bool {
    let without = [
        "claude-instant",
        "claude-v2",
        "claude-3-haiku",
        "claude-3-sonnet",
        "claude-3-opus",
        "claude-3-5-sonnet-20240620",
    ];
    let is_claude = model.contains("anthropic.claude-");
    let is_nova = ["nova-micro", "nova-lite", "nova-pro", "nova-premier"]
        .iter()
        .any(|name| model.contains(name));
    is_nova || (is_claude && !without.iter().any(|name| model.contains(name)))
}

pub(super) fn read(reply: &Value) -> Option<Native> {
    let parts = reply.pointer("/output/message/content");
    let parts = parts.and_then(Value::as_array);
    let tokens = |name: &str| count(reply, &format!("/usage/{name}"));
    let usage = tokens("inputTokens").zip(tokens("outputTokens"));
    // A reply without content says nothing, but it was paid for.
    if parts.is_none() && usage.is_none() {
        return None;
    }
    let (mut text, mut reasoning) = (None, String::new());
    let mut tool_calls = Vec::new();
    for part in parts.into_iter().flatten() {
        if let Some(call) = part.get("toolUse") {
            tool_calls.push(call_of(call, "toolUseId", "input"));
        }
        if let Some(piece) = part.get("text").and_then(Value::as_str) {
            text.get_or_insert_with(String::new).push_str(piece);
        }
        let thought = part.pointer("/reasoningContent/reasoningText/text");
        reasoning.push_str(thought.and_then(Value::as_str).unwrap_or_default());
    }
    let cached = tokens("cacheReadInputTokens").unwrap_or(0);
    let written = tokens("cacheWriteInputTokens").unwrap_or(0);
    Some(Native {
        text,
        reasoning,
        tool_calls,
        finish: finish_of(reply.get("stopReason").and_then(Value::as_str)),
        // Cached tokens are counted beside the others.
        usage: usage.map_or(Value::Null, |(input, output)| {
            usage_of(input + cached + written, output, cached, written)
        }),
    })
}
