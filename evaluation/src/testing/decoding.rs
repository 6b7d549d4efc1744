//! Doors for fuzzers to the readers of what comes from outside.

use crate::Evaluation;
use crate::StreamEnd;
use crate::llm::{Assembly, Reply};
use crate::process;
use crate::task_app::RolloutResponse;

/// The first line of a process evaluator; says what is wrong with it.
pub fn process_hello(line: &[u8]) -> Result<(), String> {
    process::check_hello(line)
}

/// The reply of a process evaluator to request `id`; says what is wrong with it.
pub fn process_reply(line: &[u8], id: u64) -> Result<Evaluation, String> {
    process::read_reply(line, id)
}

/// A provider's reply: its text, and the tokens it would be billed for. `None` if it is none.
pub fn provider_reply(body: &[u8]) -> Option<(String, u64)> {
    let reply = Reply::parse(body.to_vec()).ok()?;
    Some((reply.text(), reply.estimated_completion_tokens()))
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

/// A task app's response: its reward; says what is wrong with it.
pub fn task_app_response(body: &[u8]) -> Result<f64, String> {
    RolloutResponse::read(body).map(|response| response.reward)
}
