//! Fuzzes the answers of models, task apps and child processes.

use gepa_models::decoding as replies;
use gepa_tasks::decoding;

pub(crate) fn task_app_response(data: &[u8]) {
    // Scores that are not finite are refused later. Reading them must not fail.
    let _ = decoding::task_app_response(data);
}

pub(crate) fn provider_reply(data: &[u8]) {
    if let Some((text, tokens)) = replies::provider_reply(data) {
        assert!(tokens > 0 && text.len() <= data.len() * 4);
    }
}

pub(crate) fn event_stream(data: &[u8]) {
    let end = replies::event_stream(data);
    // An escape in JSON is longer than its character, and a replaced byte becomes at most three
    // bytes.
    assert!(end.text.len() <= data.len() * 3);
    assert!(end.tool_calls.len() <= 256);
}

pub(crate) fn process_line(data: &[u8]) {
    let _ = decoding::process_hello(data);
    for (_, evaluation) in decoding::process_reply(data).unwrap_or_default() {
        if let Some(scored) = evaluation.outcome.scored() {
            assert!(scored.score.is_finite());
        }
    }
}
