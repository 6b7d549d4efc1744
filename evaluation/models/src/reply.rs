//! Reading chat completions: leniently, but never guessing a number.

use serde_json::Value;

use gepa_evaluation::FinishReason;

/// Token counts above this are a provider's mistake, not a bill.
pub(super) const MOST_TOKENS: u64 = 1 << 40;

/// A reply that is a completion.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(super) body: Vec<u8>,
    /// An object with at least one choice.
    pub(super) json: Value,
}

/// A success status around something else.
#[derive(Clone, Debug)]
pub(crate) enum Unreadable {
    NotACompletion(&'static str),
    /// An error in disguise, with the status it should have had.
    Error {
        status: u16,
        body: Vec<u8>,
    },
}

/// Tokens as the provider counted them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportedTokens {
    Counted {
        prompt: u64,
        completion: u64,
        cached: u64,
    },
    /// Only a sum, which cannot be split.
    Total(u64),
    Absent,
}

impl Reply {
    pub(crate) fn parse(body: Vec<u8>) -> Result<Self, Unreadable> {
        let json: Value = serde_json::from_slice(&body)
            .map_err(|_| Unreadable::NotACompletion("the reply is not valid JSON"))?;
        if let Some(error) = json.get("error").filter(|error| !error.is_null()) {
            // Gateways report upstream trouble this way, with the upstream status as the code.
            let code = error.get("code").and_then(Value::as_u64);
            let status = code.filter(|code| (400..600).contains(code)).unwrap_or(500);
            return Err(Unreadable::Error {
                status: status as u16,
                body,
            });
        }
        if json
            .pointer("/choices/0/message")
            .is_none_or(|message| !message.is_object())
        {
            return Err(Unreadable::NotACompletion("the reply has no choices"));
        }
        Ok(Self { body, json })
    }

    pub(crate) fn reported_tokens(&self) -> ReportedTokens {
        let count = |pointer| {
            let number = self.json.pointer(pointer).and_then(Value::as_u64);
            number.filter(|tokens| *tokens <= MOST_TOKENS)
        };
        let prompt = count("/usage/prompt_tokens");
        let completion = count("/usage/completion_tokens");
        let total = count("/usage/total_tokens");
        match (prompt, completion, total) {
            (Some(prompt), Some(completion), total) => ReportedTokens::Counted {
                prompt,
                // Some providers count thinking in the total only, and bill it as completion.
                completion: completion.max(total.unwrap_or(0).saturating_sub(prompt)),
                cached: count("/usage/prompt_tokens_details/cached_tokens")
                    .unwrap_or(0)
                    .min(prompt),
            },
            (_, _, Some(total)) if total > 0 => ReportedTokens::Total(total),
            _ => ReportedTokens::Absent,
        }
    }

    /// The first choice's text.
    pub(crate) fn text(&self) -> String {
        self.json
            .pointer("/choices/0/message/content")
            .map(text_of)
            .unwrap_or_default()
    }

    /// The first choice's tool calls.
    pub(super) fn tool_calls(&self) -> Vec<Value> {
        self.json
            .pointer("/choices/0/message/tool_calls")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    }

    /// Why the first choice ended.
    pub(crate) fn finish_reason(&self) -> FinishReason {
        let refusal = self.json.pointer("/choices/0/message/refusal");
        if refusal
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty())
        {
            return FinishReason::Refusal;
        }
        let reason = self.json.pointer("/choices/0/finish_reason");
        finish_reason_of(reason.and_then(Value::as_str))
    }

    /// About how many tokens all choices have, for replies that do not say.
    pub(crate) fn estimated_completion_tokens(&self) -> u64 {
        let choices = self.json.get("choices").and_then(Value::as_array);
        let characters = choices
            .into_iter()
            .flatten()
            .filter_map(|choice| choice.get("message"))
            .map(|message| {
                let called = message
                    .get("tool_calls")
                    .map_or(0, |calls| calls.to_string().len());
                let said = message
                    .get("content")
                    .map_or(0, |content| text_of(content).chars().count());
                called + said
            })
            .sum();
        tokens_for(characters)
    }
}

/// A provider's word for why a choice ended.
pub(super) fn finish_reason_of(word: Option<&str>) -> FinishReason {
    match word {
        Some("stop") => FinishReason::Stop,
        Some("length") => FinishReason::Length,
        Some("content_filter" | "refusal") => FinishReason::Refusal,
        Some("tool_calls" | "function_call") => FinishReason::ToolCalls,
        Some(other) => FinishReason::Other(other.to_owned()),
        None => FinishReason::Other("missing".to_owned()),
    }
}

/// About how many tokens the messages of a request have.
pub(super) fn estimated_prompt_tokens(request: &Value) -> u64 {
    let messages = request.get("messages").and_then(Value::as_array);
    let characters = messages
        .into_iter()
        .flatten()
        .filter_map(|message| message.get("content"))
        .map(|content| text_of(content).chars().count())
        .sum();
    tokens_for(characters)
}

/// Four characters a token, at least one token.
pub(super) fn tokens_for(characters: usize) -> u64 {
    (characters as u64).div_ceil(4).max(1)
}

/// A message's content: a text, or a list of parts of which some are text.
pub(super) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .collect(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
