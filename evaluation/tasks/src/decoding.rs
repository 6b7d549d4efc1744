//! Doors for fuzzers to the readers of what evaluators send.

use gepa_evaluation::Evaluation;

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

/// A task app's response: its reward; says what is wrong with it.
pub fn task_app_response(body: &[u8]) -> Result<f64, String> {
    RolloutResponse::read(body).map(|response| response.reward)
}
