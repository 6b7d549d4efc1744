//! The protocols that providers speak. Inside there is one shape, that of chat completions: a dialect
//! turns such a request into its own, and its own reply into such a completion.

pub(super) mod anthropic;
mod bedrock;
mod chat;
mod gemini;
mod native;
mod protocol;
mod responses;

use serde_json::Value;

use chat::Chat;
use native::Native;
pub use protocol::Dialect;
pub(super) use protocol::escaped;

impl Dialect {
    /// A chat completions request in this dialect. The error names a field without a counterpart.
    pub(super) fn request(self, chat: &Value) -> Result<Value, String> {
        if self.is_chat_completions() {
            return Ok(chat.clone());
        }
        let chat = Chat::read(chat, self)?;
        Ok(match self {
            Self::Anthropic => anthropic::request(chat),
            Self::Gemini => gemini::request(chat),
            Self::Bedrock => bedrock::request(chat),
            _ => responses::request(chat),
        })
    }

    /// A reply of this dialect as a chat completion.
    pub(super) fn completion(self, reply: Value) -> Value {
        let native = match self {
            Self::ChatCompletions | Self::Azure => return reply,
            Self::Anthropic => anthropic::read(&reply),
            Self::Gemini => gemini::read(&reply),
            Self::Bedrock => bedrock::read(&reply),
            Self::Responses => responses::read(&reply),
        };
        // A body that is no reply of this dialect passes unchanged; the reader of replies then
        // reports it as an error.
        native.map_or(reply, Native::into_completion)
    }
}

#[cfg(test)]
mod tests;
