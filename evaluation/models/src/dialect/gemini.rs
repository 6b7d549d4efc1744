//! Gemini's `generateContent`.

use serde_json::{Value, json};

use super::chat::{Chat, laid_over};
use super::native::{Native, call_of, count, finish_of, usage_of};

pub(super) fn request(chat: Chat) -> Value {
    let mut settings = chat.sampling(["temperature", "topP", "maxOutputTokens", "stopSequences"]);
    if let Some(seed) = &chat.seed {
        settings.insert("seed".to_owned(), seed.clone());
    }
    let contents: Vec<Value> = chat
        .turns
        .iter()
        .map(|turn| {
            let role = if turn.role == "assistant" {
                "model"
            } else {
                "user"
            };
            json!({"role": role, "parts": [{"text": turn.text}]})
        })
        .collect();
    let mut body = json!({"contents": contents});
    if !chat.system.is_empty() {
        let parts: Vec<Value> = chat
            .system
            .iter()
            .map(|text| json!({"text": text}))
            .collect();
        body["systemInstruction"] = json!({"parts": parts});
    }
    if !settings.is_empty() {
        body["generationConfig"] = Value::Object(settings);
    }
    laid_over(body, chat.rest)
}

pub(super) fn read(reply: &Value) -> Option<Native> {
    let candidate = reply.pointer("/candidates/0");
    let blocked = reply.pointer("/promptFeedback/blockReason").is_some();
    let is_counted = reply.get("usageMetadata").is_some_and(Value::is_object);
    // A reply without candidates says nothing, but it was paid for.
    if candidate.is_none() && !blocked && !is_counted {
        return None;
    }
    let parts = reply.pointer("/candidates/0/content/parts");
    let (mut text, mut reasoning) = (None, String::new());
    let mut tool_calls = Vec::new();
    for part in parts.and_then(Value::as_array).into_iter().flatten() {
        if let Some(call) = part.get("functionCall") {
            tool_calls.push(call_of(call, "id", "args"));
        }
        let Some(piece) = part.get("text").and_then(Value::as_str) else {
            continue;
        };
        if part.get("thought").and_then(Value::as_bool) == Some(true) {
            reasoning.push_str(piece);
        } else {
            text.get_or_insert_with(String::new).push_str(piece);
        }
    }
    let end = candidate.and_then(|candidate| candidate.get("finishReason")?.as_str());
    let tokens = |name: &str| count(reply, &format!("/usageMetadata/{name}"));
    let cached = tokens("cachedContentTokenCount").unwrap_or(0);
    let written = tokens("candidatesTokenCount").unwrap_or(0);
    let thought = tokens("thoughtsTokenCount").unwrap_or(0);
    Some(Native {
        text,
        reasoning,
        tool_calls,
        finish: if blocked {
            "content_filter"
        } else {
            finish_of(end)
        },
        usage: tokens("promptTokenCount").map_or(Value::Null, |prompt| {
            usage_of(prompt, written + thought, cached, 0)
        }),
    })
}
