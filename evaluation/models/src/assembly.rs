//! Assembles a streamed completion from its lines, independent of the connection.

use serde_json::{Value, json};

use super::reply::{
    ReplyFault, Reported, Said, Unreadable, choice_error, finish_reason_of, lenient_json,
    reported_in, says_nothing, status_in, tokens_for,
};
use gepa_evaluation::FinishReason;

/// Most tool calls of one completion; further ones are not read.
const MOST_CALLS: usize = 256;

/// The parts of a completion that have arrived.
#[derive(Debug)]
pub(crate) struct Assembly {
    said: Said,
    tool_calls: Vec<ToolCall>,
    finish_word: Option<String>,
    usage: Value,
    pub(super) reported: Reported,
}

#[derive(Clone, Debug, Default)]
struct ToolCall {
    id: Option<Value>,
    name: String,
    arguments: String,
}

/// The content of a stream so far.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamEnd {
    /// The assistant's text.
    pub text: String,
    /// What the model thought before it, where the provider hands it out.
    pub reasoning: Option<String>,
    /// The tool calls, put together from their pieces.
    pub tool_calls: Vec<Value>,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

/// The kind of a line.
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

/// The completion in an event stream that came in place of a whole reply.
pub(super) fn completion_of_stream(body: &[u8]) -> Result<Value, Unreadable> {
    let mut assembly = Assembly::new();
    let mut is_done = false;
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    for line in body.split(|byte| *byte == b'\n') {
        let fault = match assembly.take_line(line) {
            Ok(taken) => {
                is_done |= taken == Taken::Done;
                continue;
            }
            Err(BadLine::NotJson) => ReplyFault::NotACompletion {
                reason: "a line of the event stream is not JSON".to_owned(),
                is_written: true,
            },
            Err(BadLine::Error { status, data }) => ReplyFault::Error {
                status,
                body: data.to_vec(),
            },
        };
        let reported = assembly.reported;
        return Err(Unreadable { fault, reported });
    }
    if is_done || assembly.is_ended() {
        return Ok(assembly.to_completion());
    }
    Err(Unreadable {
        fault: ReplyFault::NotACompletion {
            reason: "the event stream broke off".to_owned(),
            is_written: true,
        },
        reported: assembly.reported,
    })
}

impl Assembly {
    pub(crate) fn new() -> Self {
        Self {
            said: Said::default(),
            tool_calls: Vec::new(),
            finish_word: None,
            usage: Value::Null,
            reported: Reported::default(),
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
        let chunk = lenient_json(data).ok_or(BadLine::NotJson)?;
        let choice = chunk.pointer("/choices/0");
        let error = chunk.get("error").filter(|error| !says_nothing(error));
        if let Some(error) = error.or_else(|| choice.and_then(choice_error)) {
            let status = status_in(error).unwrap_or(500);
            return Err(BadLine::Error { status, data });
        }
        let tokens = self.take(&chunk);
        Ok(Taken::Piece { tokens })
    }

    /// Whether the provider gave a reason for the end.
    pub(super) fn is_ended(&self) -> bool {
        self.finish_word.is_some()
    }

    /// The approximate number of tokens that have arrived, for streams without usage.
    pub(crate) fn estimated_tokens(&self) -> u64 {
        let called: usize = self
            .tool_calls
            .iter()
            .map(|call| call.name.len() + call.arguments.len())
            .sum();
        let said = self.said.text.chars().count() + self.said.reasoning.chars().count();
        tokens_for(said + called)
    }

    pub(crate) fn end(&self) -> StreamEnd {
        StreamEnd {
            text: self.said.text.clone(),
            reasoning: (!self.said.reasoning.is_empty()).then(|| self.said.reasoning.clone()),
            tool_calls: self.tool_calls.iter().map(ToolCall::to_json).collect(),
            finish_reason: finish_reason_of(self.finish_word.as_deref()),
        }
    }

    fn take(&mut self, chunk: &Value) -> u64 {
        let reason = chunk.pointer("/choices/0/finish_reason");
        if let Some(word) = reason.and_then(Value::as_str) {
            self.finish_word = Some(word.to_owned());
        }
        let mut tokens = 0;
        // Some gateways send the whole message in one piece.
        let piece = ["/choices/0/delta", "/choices/0/message"]
            .iter()
            .find_map(|place| chunk.pointer(place).filter(|piece| piece.is_object()));
        if let Some(piece) = piece {
            let Said { text, reasoning } = Said::of_message(piece);
            self.said.text.push_str(&text);
            self.said.reasoning.push_str(&reasoning);
            let called = piece.get("tool_calls").and_then(Value::as_array);
            for call in called.into_iter().flatten() {
                self.take_tool_call(call);
            }
            // The older form of a call.
            if let Some(function) = piece.get("function_call").filter(|call| call.is_object()) {
                self.take_tool_call(&json!({"function": function}));
            }
            let characters = text.chars().count() + reasoning.chars().count();
            if characters > 0 {
                tokens = tokens_for(characters);
            }
        }
        let reported = reported_in(chunk);
        if !reported.is_absent() {
            self.reported = reported;
            self.usage = chunk.get("usage").cloned().unwrap_or_default();
        }
        tokens
    }

    /// The completion as a reply in one piece.
    fn to_completion(&self) -> Value {
        let StreamEnd {
            text,
            reasoning,
            tool_calls,
            ..
        } = self.end();
        let mut message = json!({"role": "assistant", "content": text});
        if let Some(reasoning) = reasoning {
            message["reasoning_content"] = json!(reasoning);
        }
        if !tool_calls.is_empty() {
            message["tool_calls"] = json!(tool_calls);
        }
        json!({
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish_word}],
            "usage": self.usage,
        })
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
