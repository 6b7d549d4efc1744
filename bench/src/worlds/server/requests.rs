//! The bodies of requests.

use gepa_evaluation::Message;
use serde::Deserialize;
use serde_json::Value;

/// The fields of a chat completion request that the server reads.
#[derive(Debug, Deserialize)]
pub(super) struct ChatBody {
    pub(super) model: String,
    messages: Vec<ChatMessage>,
    #[serde(default)]
    pub(super) stream: bool,
}

#[derive(Debug, Deserialize)]
struct ChatMessage {
    role: String,
    content: Value,
}

/// A prompt to be scored.
#[derive(Debug, Deserialize)]
pub(super) struct ScoreBody {
    pub(super) prompt: String,
}

impl ChatBody {
    pub(super) fn messages(&self) -> Vec<Message> {
        let messages = self.messages.iter();
        messages
            .map(|message| Message::new(message.role.as_str(), text_of(&message.content)))
            .collect()
    }
}

/// Content is a text or a list of parts, some of which are texts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.get("text")?.as_str())
            .collect(),
        _ => String::new(),
    }
}
