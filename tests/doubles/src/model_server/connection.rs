//! Serves one connection: reads requests, sends replies and faults.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::answer::{Answer, Ending};
use super::control;
use super::fault::Fault;
use super::open_call::OpenCall;
use super::place::Place;
use super::request::{Incoming, ModelCall, Request};
use super::shared::Shared;

/// Serves a connection until either side closes it.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut incoming = Incoming::new(stream);
    // Without this, the byte that is held back until the call is booked would wait for an
    // acknowledgement.
    if incoming.stream.set_nodelay(true).is_err() {
        return;
    }
    while let Ok(Some(request)) = incoming.request().await {
        let wants_close = request.wants_close();
        match handle(&mut incoming, request, &shared).await {
            Ok(true) if !wants_close => {}
            _ => return,
        }
    }
}

/// Answers one request. Returns whether the connection can take another.
async fn handle(
    incoming: &mut Incoming,
    request: Request,
    shared: &Arc<Shared>,
) -> io::Result<bool> {
    let route = request.path.split('?').next().unwrap_or_default();
    if request.method == "GET" && route.ends_with("/models") {
        let list = json!({"object": "list", "data": [{"id": "loopback", "object": "model"}]});
        return send(incoming, &Answer::json(200, &list), shared, None).await;
    }
    if shared.is_controlled
        && let Some(answer) = control::answer(&request, shared)
    {
        return send(incoming, &answer, shared, None).await;
    }
    let is_chat = route.ends_with("/chat/completions");
    if request.method != "POST" || !(is_chat || shared.behaviour.lock().is_raw()) {
        let answer = Answer::error(404, "not_found", "only POST .../chat/completions is served");
        return send(incoming, &answer, shared, None).await;
    }
    let mut call = ModelCall {
        index: 0,
        path: request.path,
        headers: request.headers,
        body: serde_json::from_slice(&request.body).unwrap_or(Value::Null),
    };
    let open = OpenCall::received(shared, &mut call);
    let behaviour = Arc::clone(&shared.behaviour.lock());
    let fault = behaviour.fault(&call);
    let place = match Place::of(&call, shared) {
        Ok(place) => place,
        Err(refusal) => return send(incoming, &refusal, shared, Some(open)).await,
    };
    let mut wait = (shared.latency)(&call) + behaviour.latency + place.wait;
    if let Some(Fault::SlowFirstByte(delay)) = fault {
        wait += *delay;
    }
    if !waited(incoming, wait).await {
        return Ok(false);
    }
    let answer = Answer::to(&call, fault, shared);
    place.served();
    send(incoming, &answer, shared, Some(open)).await
}

/// Waits. Returns `false` if the client hung up meanwhile.
async fn waited(incoming: &Incoming, wait: Duration) -> bool {
    if wait.is_zero() {
        return true;
    }
    tokio::select! {
        () = sleep(wait) => true,
        () = incoming.hung_up() => false,
    }
}

/// Sends an answer up to its planned end. Returns whether the connection can take another request.
async fn send(
    incoming: &mut Incoming,
    answer: &Answer,
    shared: &Shared,
    open: Option<OpenCall>,
) -> io::Result<bool> {
    let (head, body) = answer.encoded(shared.is_chunked);
    match answer.ending {
        Ending::Complete => {
            let (most, last) = body.split_at(body.len().saturating_sub(1));
            incoming
                .stream
                .write_all(&[head.as_bytes(), most].concat())
                .await?;
            if let Some(mut call) = open {
                call.answered(answer);
            }
            incoming.stream.write_all(last).await?;
            return Ok(true);
        }
        Ending::ResetAtOnce => incoming.stream.set_zero_linger()?,
        Ending::ResetAfterHeaders => {
            incoming.stream.write_all(head.as_bytes()).await?;
            incoming.stream.set_zero_linger()?;
        }
        Ending::StallInBody | Ending::CloseInBody => {
            let half = &body[..body.len() / 2];
            incoming
                .stream
                .write_all(&[head.as_bytes(), half].concat())
                .await?;
            if answer.ending == Ending::StallInBody {
                incoming.hung_up().await;
            }
        }
    }
    Ok(false)
}
