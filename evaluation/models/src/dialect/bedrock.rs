//! Bedrock's `Converse`.

use serde_json::{Value, json};

use super::{Chat, Native, count, finish_of, laid_over, usage_of};

pub(super) fn request(chat: Chat) -> Value {
    let settings = chat.sampling(["temperature", "topP", "maxTokens", "stopSequences"]);
    let messages: Vec<Value> = chat
        .turns
        .iter()
        .map(|(role, text)| json!({"role": role, "content": [{"text": text}]}))
        .collect();
    let mut body = json!({"messages": messages});
    if !chat.system.is_empty() {
        body["system"] = chat
            .system
            .iter()
            .map(|text| json!({"text": text}))
            .collect();
    }
    if !settings.is_empty() {
        body["inferenceConfig"] = Value::Object(settings);
    }
    laid_over(body, chat.rest)
}

pub(super) fn read(reply: &Value) -> Option<Native> {
    let parts = reply.pointer("/output/message/content")?.as_array()?;
    let (mut text, mut reasoning) = (None, String::new());
    for part in parts {
        if let Some(piece) = part.get("text").and_then(Value::as_str) {
            text.get_or_insert_with(String::new).push_str(piece);
        }
        let thought = part.pointer("/reasoningContent/reasoningText/text");
        reasoning.push_str(thought.and_then(Value::as_str).unwrap_or_default());
    }
    let tokens = |name: &str| count(reply, &format!("/usage/{name}"));
    let cached = tokens("cacheReadInputTokens").unwrap_or(0);
    let written = tokens("cacheWriteInputTokens").unwrap_or(0);
    let usage = tokens("inputTokens").zip(tokens("outputTokens"));
    Some(Native {
        text,
        reasoning,
        finish: finish_of(reply.get("stopReason").and_then(Value::as_str)),
        // Cached tokens are counted beside the others.
        usage: usage.map_or(Value::Null, |(input, output)| {
            usage_of(input + cached + written, output, cached, written)
        }),
    })
}
