//! The requests with which tests in other processes read the books and change the behaviour.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::Answer;
use super::behaviour::{Behaviour, Wanted};
use super::ledger::Ledger;
use super::request::{ModelCall, Request};
use super::shared::Shared;

/// The answer to a control request; `None` for any other request.
pub(super) fn answer(request: &Request, shared: &Shared) -> Option<Answer> {
    let (route, query) = match request.path.split_once('?') {
        Some((route, query)) => (route, query),
        None => (request.path.as_str(), ""),
    };
    match (request.method.as_str(), route) {
        ("GET", "/ledger") => {
            let shown = query.strip_prefix("calls=").map(str::parse);
            let Ok(shown) = shown.unwrap_or(Ok(0)) else {
                let message = "`calls` is the number of latest calls to show";
                return Some(Answer::error(400, "bad_query", message));
            };
            let ledger = shared.books.lock().ledger();
            Some(Answer::json(200, &shown_ledger(&ledger, shown)))
        }
        ("POST", "/control") => Some(match serde_json::from_slice::<Wanted>(&request.body) {
            Ok(wanted) => {
                let from = shared.books.lock().ledger().calls_received;
                *shared.behaviour.lock() = Arc::new(Behaviour::wanted(wanted, from));
                Answer::json(200, &json!({"from_call": from}))
            }
            Err(problem) => Answer::error(400, "bad_control", &problem.to_string()),
        }),
        _ => None,
    }
}

fn shown_ledger(ledger: &Ledger, shown: usize) -> Value {
    let by_model: Value = ledger
        .by_model
        .iter()
        .map(|(model, count)| {
            let count = json!({
                "calls_received": count.calls_received,
                "calls_answered": count.calls_answered,
                "tokens": count.tokens,
            });
            (model.clone(), count)
        })
        .collect();
    let skipped = ledger.recent.len().saturating_sub(shown);
    json!({
        "calls": ledger.calls_received,
        "calls_answered": ledger.calls_answered,
        "calls_without_usage": ledger.calls_without_usage,
        "prompt_tokens": ledger.prompt_tokens,
        "completion_tokens": ledger.completion_tokens,
        "total_tokens": ledger.prompt_tokens + ledger.completion_tokens,
        "in_flight": ledger.in_flight,
        "max_in_flight": ledger.max_in_flight,
        "by_status": ledger.by_status,
        "by_model": by_model,
        "last_calls": ledger.recent.iter().skip(skipped).map(shown_call).collect::<Vec<_>>(),
    })
}

/// A call without its credentials.
fn shown_call(call: &ModelCall) -> Value {
    json!({
        "index": call.index,
        "path": call.path,
        "model": call.model(),
        "has_tools": call.body.get("tools").is_some(),
        "messages": call.body.get("messages"),
        "temperature": call.body.get("temperature"),
        "authorized": call.header("authorization").is_some(),
    })
}
