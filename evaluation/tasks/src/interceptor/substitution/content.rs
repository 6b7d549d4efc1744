//! The text of a message, which is a string or spread over parts.

use serde_json::Value;

/// The role a message has for substitution; `developer` is the newer name of `system`.
pub(super) fn role_of(message: &Value) -> &str {
    match message.get("role").and_then(Value::as_str) {
        Some("developer") => "system",
        Some(role) => role,
        None => "",
    }
}

/// The text of a message; `None` where it has none, such as a message that only calls tools.
pub(super) fn text_of(message: &Value) -> Option<String> {
    match message.get("content")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(part_text).collect();
            (!texts.is_empty()).then(|| texts.concat())
        }
        _ => None,
    }
}

/// Makes `text` the text of a message. Parts that are not text, such as images, stay where they are;
/// the first text part takes the whole text.
pub(super) fn set_text(message: &mut Value, text: String) {
    let Some(content) = message.get_mut("content") else {
        return;
    };
    let Value::Array(parts) = content else {
        *content = Value::String(text);
        return;
    };
    let first = parts.iter().position(|part| part_text(part).is_some());
    let mut at = 0;
    parts.retain(|part| {
        let is_later_text = part_text(part).is_some() && Some(at) != first;
        at += 1;
        !is_later_text
    });
    if let Some(part) = first.and_then(|first| parts.get_mut(first)) {
        part["text"] = Value::String(text);
    }
}

fn part_text(part: &Value) -> Option<&str> {
    let is_text = part.get("type").and_then(Value::as_str) == Some("text");
    part.get("text").and_then(Value::as_str).filter(|_| is_text)
}
