//! Separates the answer in a message from the reasoning before it.

use gepa_evaluation::FinishReason;
use serde_json::Value;

/// An answer and the reasoning before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) reasoning: String,
}

/// The names under which providers and servers hand out reasoning beside the content.
const REASONING_FIELDS: [&str; 4] = [
    "reasoning_content",
    "reasoning",
    "thinking",
    "reasoning_details",
];

impl Said {
    /// Reads an assistant's message, or a piece of one.
    pub(crate) fn of_message(message: &Value) -> Self {
        let mut said = message
            .get("content")
            .map(Self::of_content)
            .unwrap_or_default();
        let beside = REASONING_FIELDS
            .iter()
            .filter_map(|field| Some(thought(message.get(field)?)))
            .find(|thought| !thought.is_empty());
        if let Some(beside) = beside {
            said.reasoning.push_str(&beside);
        }
        said
    }

    /// Reads a content: a text, or a list of parts of which some are reasoning and some are text.
    pub(crate) fn of_content(content: &Value) -> Self {
        let mut said = Self::default();
        match content {
            Value::String(text) => said.text.clone_from(text),
            Value::Array(parts) => {
                for part in parts {
                    said.take_part(part);
                }
            }
            _ => {}
        }
        said
    }

    fn take_part(&mut self, part: &Value) {
        let kind = part.get("type").and_then(Value::as_str).unwrap_or("text");
        let is_reasoning = kind.contains("thinking") || kind.contains("reasoning");
        if is_reasoning {
            self.reasoning.push_str(&thought(part));
        } else if let Some(text) = part.as_str().or_else(|| part.get("text")?.as_str()) {
            self.text.push_str(text);
        }
    }
}

/// The text in a piece of reasoning, however deep it lies.
fn thought(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(thought).collect(),
        Value::Object(fields) => ["thinking", "text", "reasoning", "content", "summary"]
            .iter()
            .filter_map(|name| Some(thought(fields.get(*name)?)))
            .find(|text| !text.is_empty())
            .unwrap_or_default(),
        _ => String::new(),
    }
}

/// A provider's word for why a choice ended, in whichever spelling.
pub(crate) fn finish_reason_of(word: Option<&str>) -> FinishReason {
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

/// Four characters a token, at least one token.
pub(crate) fn tokens_for(characters: usize) -> u64 {
    (characters as u64).div_ceil(4).max(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(message: &Value, text: &str, reasoning: &str) {
        let said = Said::of_message(message);
        let expected = Said {
            text: text.to_owned(),
            reasoning: reasoning.to_owned(),
        };
        assert_eq!(said, expected, "{message}");
    }

    #[test]
    fn parts_of_text_are_joined_and_absent_ones_are_empty() {
        check(&json!({"content": "plain"}), "plain", "");
        let parts =
            json!([{"type": "text", "text": "a"}, {"type": "image_url"}, {"text": "b"}, "c"]);
        check(&json!({"content": parts}), "abc", "");
        check(&json!({"content": null}), "", "");
        check(&json!({"content": 7}), "", "");
        check(&json!({}), "", "");
    }

    #[test]
    fn reasoning_is_told_from_the_answer_wherever_it_stands() {
        for message in [
            json!({"content": "pos", "reasoning_content": "hm"}),
            json!({"content": "pos", "reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}),
            json!({"content": "pos", "reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]}),
            json!({"content": "pos", "thinking": "hm"}),
            json!({"content": [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "pos"}]}),
            json!({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "pos"}]}),
            json!({"content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]},
                {"type": "text", "text": "pos"},
            ]}),
            json!({"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}, {"type": "output_text", "text": "pos"}]}),
        ] {
            check(&message, "pos", "hm");
        }
    }
}
