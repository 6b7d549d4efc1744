//! The protocols that providers speak. Inside there is one shape, that of chat completions: a dialect
//! turns such a request into its own, and its own reply into such a completion.

pub(super) mod anthropic;
mod bedrock;
mod gemini;
mod responses;

use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::reply::Said;

/// Version of Azure's interface where none is set.
const AZURE_VERSION: &str = "2024-10-21";

/// The protocol an endpoint speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI's chat completions, which most providers and servers speak.
    #[default]
    ChatCompletions,
    /// OpenAI's responses, which some of its models insist on.
    Responses,
    /// Anthropic's messages. The system prompt is marked for the provider's cache.
    Anthropic,
    /// Gemini's `generateContent`.
    Gemini,
    /// Chat completions of a deployment at Azure; the model is the name of the deployment.
    Azure,
    /// Bedrock's `Converse`, signed with the keys of the environment. The system prompt is marked for
    /// the provider's cache where the model takes such marks.
    Bedrock,
}

/// The messages and settings of a chat completions request that dialects translate.
struct Chat {
    model: String,
    /// The texts of the system messages.
    system: Vec<String>,
    /// The other messages, by role and text.
    turns: Vec<(String, String)>,
    temperature: Option<Value>,
    top_p: Option<Value>,
    max_tokens: Option<Value>,
    seed: Option<Value>,
    stop: Vec<Value>,
    /// All other fields, which are copied into the native request unchanged.
    rest: Map<String, Value>,
}

/// The content of a native reply.
struct Native {
    text: Option<String>,
    reasoning: String,
    /// The reason for the end in the words of chat completions.
    finish: &'static str,
    usage: Value,
}

impl Dialect {
    /// Its name in configurations.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Azure => "azure",
            Self::Bedrock => "bedrock",
        }
    }

    /// Whether requests and replies are those of chat completions, streams included.
    pub(super) fn is_chat_completions(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Azure)
    }

    /// The path after the base URL.
    pub(super) fn path(self, model: &str, api_version: Option<&str>) -> String {
        let model = escaped(model);
        match self {
            Self::ChatCompletions => "/chat/completions".to_owned(),
            Self::Responses => "/responses".to_owned(),
            Self::Anthropic => "/messages".to_owned(),
            Self::Gemini => format!("/models/{model}:generateContent"),
            Self::Azure => {
                let version = api_version.unwrap_or(AZURE_VERSION);
                format!("/openai/deployments/{model}/chat/completions?api-version={version}")
            }
            Self::Bedrock => format!("/model/{model}/converse"),
        }
    }

    /// The path, after the base URL, of the list of models; the root where the dialect has no list.
    pub(super) fn list_path(self, api_version: Option<&str>) -> String {
        match self {
            Self::Azure => {
                let version = api_version.unwrap_or(AZURE_VERSION);
                format!("/openai/models?api-version={version}")
            }
            Self::Bedrock => "/".to_owned(),
            _ => "/models".to_owned(),
        }
    }

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

impl Chat {
    fn read(chat: &Value, dialect: Dialect) -> Result<Self, String> {
        let mut rest = chat.as_object().cloned().unwrap_or_default();
        let untranslated = [
            "tools",
            "functions",
            "tool_choice",
            "response_format",
            "logprobs",
            "n",
        ];
        if let Some(name) = untranslated.iter().find(|name| rest.contains_key(**name)) {
            let dialect = dialect.as_str();
            return Err(format!(
                "the dialect `{dialect}` carries texts only, and the request has `{name}`"
            ));
        }
        let mut take = |name: &str| rest.shift_remove(name).filter(|value| !value.is_null());
        let model = take("model").and_then(|model| model.as_str().map(str::to_owned));
        let messages = take("messages");
        let limits = [take("max_completion_tokens"), take("max_tokens")];
        let (temperature, top_p, seed) = (take("temperature"), take("top_p"), take("seed"));
        let stop = match take("stop") {
            Some(Value::Array(stops)) => stops,
            Some(stop) => vec![stop],
            None => Vec::new(),
        };
        for name in ["stream", "stream_options", "user"] {
            rest.shift_remove(name);
        }
        let mut system = Vec::new();
        let mut turns = Vec::new();
        for message in messages
            .as_ref()
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let text = message
                .get("content")
                .map(Said::of_content)
                .unwrap_or_default()
                .text;
            match message.get("role").and_then(Value::as_str) {
                Some("system" | "developer") => system.push(text),
                Some(role @ ("user" | "assistant")) => turns.push((role.to_owned(), text)),
                role => {
                    let role = role.unwrap_or("none");
                    return Err(format!(
                        "the dialect `{}` knows no messages of role `{role}`",
                        dialect.as_str()
                    ));
                }
            }
        }
        if turns.is_empty() {
            // Every native protocol wants a message to answer.
            turns.extend(system.pop().map(|text| ("user".to_owned(), text)));
        }
        Ok(Self {
            model: model.unwrap_or_default(),
            system,
            turns,
            temperature,
            top_p,
            max_tokens: limits.into_iter().flatten().next(),
            seed,
            stop,
            rest,
        })
    }

    /// The sampling settings under a dialect's names, without those that are not set.
    fn sampling(&self, names: [&str; 4]) -> Map<String, Value> {
        let stop = (!self.stop.is_empty()).then(|| Value::Array(self.stop.clone()));
        let values = [&self.temperature, &self.top_p, &self.max_tokens, &stop];
        names
            .into_iter()
            .zip(values)
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
            .collect()
    }
}

impl Native {
    fn into_completion(self) -> Value {
        let mut message = json!({"role": "assistant", "content": self.text});
        if !self.reasoning.is_empty() {
            message["reasoning_content"] = Value::String(self.reasoning);
        }
        json!({
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish}],
            "usage": self.usage,
        })
    }
}

/// A native end in the words of chat completions.
fn finish_of(word: Option<&str>) -> &'static str {
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
fn usage_of(prompt: u64, completion: u64, cached: u64, cache_written: u64) -> Value {
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "cache_creation_input_tokens": cache_written,
    })
}

/// A count in a reply; `None` where it is absent or impossibly large.
fn count(reply: &Value, pointer: &str) -> Option<u64> {
    let count = reply.pointer(pointer).and_then(Value::as_u64);
    count.filter(|count| *count <= super::reply::MOST_TOKENS)
}

/// Lays `rest` over a native request; objects are joined.
fn laid_over(mut request: Value, rest: Map<String, Value>) -> Value {
    for (name, value) in rest {
        match (request.get_mut(&name), value) {
            (Some(Value::Object(into)), Value::Object(fields)) => into.extend(fields),
            (_, value) => request[name] = value,
        }
    }
    request
}

/// A model's name as one segment of a path.
pub(super) fn escaped(model: &str) -> String {
    let mut segment = String::new();
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}

#[cfg(test)]
mod tests;
