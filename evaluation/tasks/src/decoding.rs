//! Doors for fuzzers to the readers of what evaluators send.

use gepa_evaluation::Evaluation;

use crate::process;
use crate::task_app::RolloutResponse;

/// The first line of a process evaluator; says what is wrong with it.
pub fn process_hello(line: &[u8]) -> Result<(), String> {
    process::read_hello(line).map(|_| ())
}

/// The answers in a line of a process evaluator, by the ids of their requests; says what is wrong
/// with it.
pub fn process_reply(line: &[u8]) -> Result<Vec<(u64, Evaluation)>, String> {
    process::read_reply(line).map(|reply| match reply {
        process::Reply::One(id, evaluation) => vec![(id, *evaluation)],
        process::Reply::End(_, answers) => answers,
    })
}

/// A task app's response: its reward; says what is wrong with it.
pub fn task_app_response(body: &[u8]) -> Result<f64, String> {
    RolloutResponse::read(body).map(|response| response.reward)
}
