//! A chat completions request, taken apart for the dialects that translate it.

use serde_json::{Map, Value};

use super::protocol::Dialect;
use crate::reply::Said;

/// Providers cache no shorter beginning than 1 024 tokens, which are about four bytes each.
const SHORTEST_CACHED_BYTES: usize = 4_096;

/// A message that is not the system's.
pub(super) struct Turn {
    pub(super) role: String,
    pub(super) text: String,
    /// Bytes of the text up to the last mark for the provider's cache.
    marked: usize,
}

impl Turn {
    fn of(role: &str, content: Option<&Value>) -> Self {
        let parts = content
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let is_marked = |part: &Value| part.get("cache_control").is_some();
        let marked = parts.iter().rposition(is_marked).map_or(0, |last| {
            Said::of_content(&Value::from(&parts[..=last])).text.len()
        });
        Self {
            role: role.to_owned(),
            text: text_of(content),
            marked,
        }
    }

    /// The text before and after the mark for the provider's cache, where there is a mark and enough text for it.
    pub(super) fn halves(&self) -> Option<(&str, &str)> {
        let is_long = self.marked >= SHORTEST_CACHED_BYTES;
        is_long
            .then(|| self.text.split_at_checked(self.marked))
            .flatten()
    }
}

fn text_of(content: Option<&Value>) -> String {
    content.map(Said::of_content).unwrap_or_default().text
}

/// The messages and settings of a chat completions request that dialects translate.
pub(super) struct Chat {
    pub(super) model: String,
    /// The texts of the system messages.
    pub(super) system: Vec<String>,
    /// The other messages.
    pub(super) turns: Vec<Turn>,
    pub(super) temperature: Option<Value>,
    pub(super) top_p: Option<Value>,
    pub(super) max_tokens: Option<Value>,
    pub(super) seed: Option<Value>,
    pub(super) stop: Vec<Value>,
    /// All other fields, which are copied into the native request unchanged.
    pub(super) rest: Map<String, Value>,
}

impl Chat {
    pub(super) fn read(chat: &Value, dialect: Dialect) -> Result<Self, String> {
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
            let content = message.get("content");
            match message.get("role").and_then(Value::as_str) {
                Some("system" | "developer") => system.push(text_of(content)),
                Some(role @ ("user" | "assistant")) => turns.push(Turn::of(role, content)),
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
            let last = system.pop().map(Value::from);
            turns.extend(last.map(|text| Turn::of("user", Some(&text))));
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
    pub(super) fn sampling(&self, names: [&str; 4]) -> Map<String, Value> {
        let stop = (!self.stop.is_empty()).then(|| Value::Array(self.stop.clone()));
        let values = [&self.temperature, &self.top_p, &self.max_tokens, &stop];
        names
            .into_iter()
            .zip(values)
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
            .collect()
    }
}

/// Lays `rest` over a native request; objects are joined.
pub(super) fn laid_over(mut request: Value, rest: Map<String, Value>) -> Value {
    for (name, value) in rest {
        match (request.get_mut(&name), value) {
            (Some(Value::Object(into)), Value::Object(fields)) => into.extend(fields),
            (_, value) => request[name] = value,
        }
    }
    request
}
