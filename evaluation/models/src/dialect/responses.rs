//! OpenAI's responses.

use serde_json::{Value, json};

use super::chat::{Chat, laid_over};
use super::native::{Native, call_of, count, finish_of, usage_of};
use crate::reply::Said;

pub(super) fn request(chat: Chat) -> Value {
    // This interface has no `stop`, and refuses a request that has it.
    let mut body =
        Value::Object(chat.sampling(["temperature", "top_p", "max_output_tokens", "stop"]));
    body["model"] = json!(chat.model);
    let system = chat
        .system
        .iter()
        .map(|text| json!({"role": "system", "content": text}));
    let turns = chat.turns.iter();
    let turns = turns.map(|turn| json!({"role": turn.role, "content": turn.text}));
    body["input"] = system.chain(turns).collect();
    // The provider need not keep the conversation.
    body["store"] = json!(false);
    laid_over(body, chat.rest)
}

pub(super) fn read(reply: &Value) -> Option<Native> {
    let output = reply.get("output")?.as_array()?;
    let (mut text, mut reasoning) = (None, String::new());
    let mut tool_calls = Vec::new();
    let mut is_refused = false;
    for item in output {
        match item.get("type").and_then(Value::as_str) {
            Some("message") => {
                let parts = item.get("content")?;
                let all = parts.as_array().into_iter().flatten();
                is_refused |= all.clone().any(|part| part.get("refusal").is_some());
                let said = Said::of_content(parts);
                text.get_or_insert_with(String::new).push_str(&said.text);
            }
            Some("reasoning") => {
                let said = Said::of_content(&json!([item]));
                reasoning.push_str(&said.reasoning);
            }
            Some("function_call") => tool_calls.push(call_of(item, "call_id", "arguments")),
            _ => {}
        }
    }
    let cut = reply
        .pointer("/incomplete_details/reason")
        .and_then(Value::as_str);
    let tokens = |name: &str| count(reply, &format!("/usage/{name}"));
    let cached = tokens("input_tokens_details/cached_tokens").unwrap_or(0);
    let usage = tokens("input_tokens").zip(tokens("output_tokens"));
    let is_failed = reply.get("status").and_then(Value::as_str) == Some("failed");
    (!is_failed).then(|| Native {
        text,
        reasoning,
        tool_calls,
        finish: if is_refused {
            "content_filter"
        } else {
            finish_of(cut)
        },
        usage: usage.map_or(Value::Null, |(input, output)| {
            usage_of(input, output, cached, 0)
        }),
    })
}
