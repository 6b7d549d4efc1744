//! One request and its reply, with the time and the size it may take.

use std::error::Error;
use std::time::{Duration, SystemTime};

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response};
use tokio::time::{Instant, timeout_at};

use super::compression::{compression_of, decompressed};
use super::fault::{Addressee, AttemptFault};
use super::rate_headers;
use super::reply::{Reply, tokens_for};
use super::retry_after::retry_after;
use super::unreached::Obstruction;
use gepa_limiter::Allowance;

/// Largest reply that is read.
pub(super) const LARGEST_REPLY: usize = 32 * 1024 * 1024;

/// Largest error body that is read.
const LARGEST_COMPLAINT: usize = 64 * 1024;

/// How long one attempt may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    pub(super) first_byte: Duration,
    pub(super) whole: Duration,
}

/// Posts `body` and reads the completion; what the reply says about limits goes to `allowance`.
pub(super) async fn attempt(
    client: &Client,
    to: Addressee<'_>,
    body: Vec<u8>,
    timeouts: Timeouts,
    allowance: &mut Allowance,
) -> Result<Reply, AttemptFault> {
    // Both limits count from the same instant, so equal limits report a silent provider as silent.
    let started = Instant::now();
    let exchanged = exchange(client, to, body, timeouts, started, allowance);
    match timeout_at(started + timeouts.whole, exchanged).await {
        Ok(result) => result,
        Err(_) => Err(AttemptFault::timeout(to, "complete reply", timeouts.whole)),
    }
}

async fn exchange(
    client: &Client,
    to: Addressee<'_>,
    body: Vec<u8>,
    timeouts: Timeouts,
    started: Instant,
    allowance: &mut Allowance,
) -> Result<Reply, AttemptFault> {
    let first_byte = timeouts.first_byte;
    let response = begin(client, to, body, (started, first_byte), allowance).await?;
    let bytes = read_reply(to, response).await?;
    let about = tokens_for(bytes.len());
    Reply::parse_as(bytes, to.endpoint.dialect)
        .map_err(|unreadable| AttemptFault::from_reply(to, unreadable, about))
}

/// Posts `body` and waits for a success status.
pub(super) async fn begin(
    client: &Client,
    to: Addressee<'_>,
    body: Vec<u8>,
    (started, first_byte): (Instant, Duration),
    allowance: &mut Allowance,
) -> Result<Response, AttemptFault> {
    let address = to.endpoint.address_of(to.model);
    let headers = to.endpoint.headers(&address, &body);
    let request = client
        .post(address)
        .headers(headers)
        .header(CONTENT_TYPE, "application/json")
        .body(body);
    let response = match timeout_at(started + first_byte, request.send()).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(sending_failed(to, error)),
        Err(_) => return Err(AttemptFault::timeout(to, "first byte", first_byte)),
    };
    *allowance = rate_headers::allowance(response.headers(), SystemTime::now());
    if !response.status().is_success() {
        return Err(complaint(to, response).await);
    }
    Ok(response)
}

pub(super) fn sending_failed(to: Addressee<'_>, error: reqwest::Error) -> AttemptFault {
    let is_connect = error.is_connect();
    let is_builder = error.is_builder();
    let reason = to.endpoint.scrubbed(&innermost(&error.without_url()));
    if is_connect {
        return AttemptFault::connect(to, Obstruction::of(&reason), &reason);
    }
    if is_builder {
        let message = format!(
            "the request for provider `{}` cannot be sent: {reason}",
            to.provider
        );
        return AttemptFault {
            was_sent: false,
            ..AttemptFault::hopeless("rejected", message)
        };
    }
    // A server that answers in another protocol than HTTP mostly speaks TLS.
    if reason.starts_with("invalid HTTP") && !to.has_answered {
        return AttemptFault::connect(to, Obstruction::NeedsTls, &reason);
    }
    AttemptFault::reset(to, &reason)
}

/// Reads an error body, or the part of it that arrives. The status alone decides what follows.
pub(super) async fn complaint(to: Addressee<'_>, mut response: Response) -> AttemptFault {
    let status = response.status().as_u16();
    let pause = retry_after(response.headers(), SystemTime::now());
    let compression = compression_of(response.headers());
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST_COMPLAINT {
            body.truncate(LARGEST_COMPLAINT);
            break;
        }
    }
    if let Some(name) = compression {
        match decompressed(&body, &name, LARGEST_REPLY) {
            Ok(mut plain) => {
                plain.truncate(LARGEST_COMPLAINT);
                body = plain;
            }
            Err(reason) => body = reason.into_bytes(),
        }
    }
    AttemptFault::from_status(to, status, &body, pause)
}

async fn read_reply(to: Addressee<'_>, mut response: Response) -> Result<Vec<u8>, AttemptFault> {
    let compression = compression_of(response.headers());
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => {
                return match compression {
                    None => Ok(body),
                    Some(name) => decompressed(&body, &name, LARGEST_REPLY).map_err(|reason| {
                        AttemptFault::compressed(to, &reason, tokens_for(body.len()))
                    }),
                };
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => return Err(AttemptFault::truncated(to, &innermost(&error))),
        }
        if body.len() > LARGEST_REPLY {
            let provider = to.provider;
            let message =
                format!("the reply of provider `{provider}` exceeds 32 MiB; lower `max_tokens`");
            return Err(AttemptFault::hopeless("too_large", message));
        }
    }
}

/// The cause at the bottom, which names what happened; the layers above it only say where.
pub fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
