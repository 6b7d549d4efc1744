//! Serves one call of a model, from its arrival to its answer.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use tokio::time::sleep;

use super::answer::{Reply, completion, error_reply, refusal, truncated};
use super::books::Ending;
use super::open_call::OpenCall;
use super::requests::ChatBody;
use super::state::{Run, State, WorldName};
use crate::worlds::conditions::Fault;
use crate::worlds::tally::call_key;
use crate::worlds::{Answer, Role};

/// The wait that an injected 429 requests.
const BACK_OFF: Duration = Duration::from_millis(200);

/// The connection must be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed on purpose")]
pub(super) struct Reset;

/// Answers a call, or applies the fault that the conditions give it.
pub(super) async fn complete(
    state: &State,
    world: WorldName,
    label: &str,
    body: &[u8],
) -> Result<Reply, Reset> {
    let run = state.run(world, label);
    run.ledger.arrived();
    let chat: ChatBody = match serde_json::from_slice(body) {
        Ok(chat) => chat,
        Err(error) => {
            run.ledger.malformed();
            let message = format!("not a chat completion: {error}");
            return Ok(error_reply(StatusCode::BAD_REQUEST, "invalid", &message));
        }
    };
    let Some(role) = Role::of_model(&chat.model) else {
        run.ledger.malformed();
        let message = "no such model; the models are `policy` and `reflector`";
        let code = "model_not_found";
        return Ok(error_reply(StatusCode::NOT_FOUND, code, message));
    };
    answer(state, &run, world, role, &chat).await
}

async fn answer(
    state: &State,
    run: &Arc<Run>,
    world: WorldName,
    role: Role,
    chat: &ChatBody,
) -> Result<Reply, Reset> {
    let regime = state.regime();
    let model = state.model(world);
    let messages = chat.messages();
    let call = call_key(role, &messages);
    let attempt = run.tally.attempt(call);
    let fault = regime.conditions.fault(call, attempt);
    let expected_tokens = messages
        .iter()
        .map(|message| message.content.len() as u64 / 4 + 1)
        .sum();
    let place = match regime.admission.admit(expected_tokens).await {
        Ok(place) => place,
        Err(refused) => {
            run.ledger.rejected();
            return Ok(refusal(refused.retry_after));
        }
    };
    let open = OpenCall::begin(Arc::clone(run), role);
    let latency = regime.conditions.latency(role, call, attempt);
    if !latency.is_zero() {
        sleep(latency).await;
    }
    drop(place);
    let answered = || -> Answer {
        let sample = run.tally.answer(call);
        model.answer(role, &messages, sample)
    };
    match fault {
        Some(Fault::Status500) => {
            open.end(&Ending::Failed);
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Ok(error_reply(status, "injected", "an injected failure"))
        }
        Some(Fault::Status429) => {
            open.end(&Ending::Failed);
            Ok(refusal(BACK_OFF))
        }
        Some(Fault::Reset) => {
            open.end(&Ending::Failed);
            Err(Reset)
        }
        // The answer is not counted, so another attempt gets the draw of this one.
        Some(Fault::Truncated) => {
            open.end(&Ending::Failed);
            let unseen = model.answer(role, &messages, 0);
            Ok(truncated(completion(role, &unseen, chat.stream, true)).await)
        }
        Some(Fault::Slow | Fault::MissingUsage) | None => {
            let reports_usage = fault != Some(Fault::MissingUsage);
            let answer = answered();
            open.end(&Ending::Answered(&answer));
            Ok(completion(role, &answer, chat.stream, reports_usage))
        }
    }
}
