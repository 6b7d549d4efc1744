//! A streamed completion put together from its lines; knows nothing of connections.

use serde_json::{Value, json};

use super::reply::{Reply, ReportedTokens, finish_reason_of, text_of, tokens_for};
use super::stream::StreamEnd;

/// Most tool calls of one completion; further ones are not read.
const MOST_CALLS: usize = 256;

/// What has arrived of a completion.
#[derive(Debug)]
pub(crate) struct Assembly {
    text: String,
    tool_calls: Vec<ToolCall>,
    finish_word: Option<String>,
    pub(super) reported: ReportedTokens,
}

#[derive(Clone, Debug, Default)]
struct ToolCall {
    id: Option<Value>,
    name: String,
    arguments: String,
}

/// What a line was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Nothing for the reader: a comment, a field other than `data`, the space between events.
    Nothing,
    /// A piece of the completion with about this many tokens of text.
    Piece { tokens: u64 },
    /// The provider says that the completion is whole.
    Done,
}

/// A line that ends the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadLine<'l> {
    NotJson,
    /// An error in the middle of a stream, with the status it would have had before it.
    Error {
        status: u16,
        data: &'l [u8],
    },
}

impl Assembly {
    pub(crate) fn new() -> Self {
        Self {
            text: String::new(),
            tool_calls: Vec::new(),
            finish_word: None,
            reported: ReportedTokens::Absent,
        }
    }

    /// Takes one line, without its end.
    pub(crate) fn take_line<'l>(&mut self, line: &'l [u8]) -> Result<Taken, BadLine<'l>> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(data) = line.strip_prefix(b"data:") else {
            return Ok(Taken::Nothing);
        };
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            return Ok(Taken::Done);
        }
        let chunk: Value = serde_json::from_slice(data).map_err(|_| BadLine::NotJson)?;
        if chunk.get("error").is_some_and(|error| !error.is_null()) {
            let code = chunk.pointer("/error/code").and_then(Value::as_u64);
            let status = code.filter(|code| (400..600).contains(code)).unwrap_or(500);
            return Err(BadLine::Error {
                status: status as u16,
                data,
            });
        }
        let tokens = self.take(chunk);
        Ok(Taken::Piece { tokens })
    }

    /// Whether the provider gave a reason for the end.
    pub(super) fn is_ended(&self) -> bool {
        self.finish_word.is_some()
    }

    /// About how many tokens have arrived, for streams that do not say.
    pub(crate) fn estimated_tokens(&self) -> u64 {
        let called: usize = self
            .tool_calls
            .iter()
            .map(|call| call.name.len() + call.arguments.len())
            .sum();
        tokens_for(self.text.chars().count() + called)
    }

    pub(crate) fn end(&self) -> StreamEnd {
        StreamEnd {
            text: self.text.clone(),
            tool_calls: self.tool_calls.iter().map(ToolCall::to_json).collect(),
            finish_reason: finish_reason_of(self.finish_word.as_deref()),
        }
    }

    fn take(&mut self, chunk: Value) -> u64 {
        let reason = chunk.pointer("/choices/0/finish_reason");
        if let Some(word) = reason.and_then(Value::as_str) {
            self.finish_word = Some(word.to_owned());
        }
        let mut tokens = 0;
        if let Some(delta) = chunk.pointer("/choices/0/delta") {
            let said = delta.get("content").map(text_of).unwrap_or_default();
            self.text.push_str(&said);
            let pieces = delta.get("tool_calls").and_then(Value::as_array);
            for piece in pieces.into_iter().flatten() {
                self.take_tool_call(piece);
            }
            if !said.is_empty() {
                tokens = tokens_for(said.chars().count());
            }
        }
        let reply = Reply {
            body: Vec::new(),
            json: chunk,
        };
        let reported = reply.reported_tokens();
        if reported != ReportedTokens::Absent {
            self.reported = reported;
        }
        tokens
    }

    /// The name comes with the first piece of a call, its arguments in any number of pieces.
    fn take_tool_call(&mut self, piece: &Value) {
        let index = piece.get("index").and_then(Value::as_u64).unwrap_or(0);
        if index >= MOST_CALLS as u64 {
            return;
        }
        let index = index as usize;
        if self.tool_calls.len() <= index {
            self.tool_calls.resize_with(index + 1, ToolCall::default);
        }
        let call = &mut self.tool_calls[index];
        if let Some(id) = piece.get("id").filter(|id| !id.is_null()) {
            call.id = Some(id.clone());
        }
        let field = |name: &str| {
            let function = piece.get("function")?;
            function.get(name).and_then(Value::as_str)
        };
        call.name.push_str(field("name").unwrap_or_default());
        call.arguments
            .push_str(field("arguments").unwrap_or_default());
    }
}

impl ToolCall {
    fn to_json(&self) -> Value {
        let function = json!({"name": self.name, "arguments": self.arguments});
        let mut call = json!({"type": "function", "function": function});
        if let Some(id) = &self.id {
            call["id"] = id.clone();
        }
        call
    }
}
