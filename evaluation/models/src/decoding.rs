//! Doors for fuzzers to the readers of what providers send.

use crate::StreamEnd;
use crate::assembly::Assembly;
use crate::reply::Reply;

/// A provider's reply: its text, and the tokens it would be billed for. `None` if it is none.
pub fn provider_reply(body: &[u8]) -> Option<(String, u64)> {
    let reply = Reply::parse(body.to_vec()).ok()?;
    Some((reply.said().text, reply.estimated_completion_tokens()))
}

/// A provider's event stream, up to the line that ends it.
pub fn event_stream(stream: &[u8]) -> StreamEnd {
    let mut assembly = Assembly::new();
    for line in stream.split(|byte| *byte == b'\n') {
        if assembly.take_line(line).is_err() {
            break;
        }
    }
    assembly.end()
}
