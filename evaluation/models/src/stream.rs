//! Streamed completions: passed on line by line, with the same limits, retries and usage.

use std::sync::Arc;

use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use super::assembly::{Assembly, BadLine, StreamEnd, Taken};
use super::attempt::{LARGEST_REPLY, begin, innermost};
use super::chat::ChatModel;
use super::compression::compression_of;
use super::fault::AttemptFault;
use super::forward::{CallHistory, ForwardError};
use super::spending::{Sent, Spending, known_cost};
use super::telemetry::AttemptTimer;
use gepa_evaluation::{CallPart, ModelError, ModelErrorKind, Purpose, RolloutClock};
use gepa_limiter::{Allowance, Permit, Report};

/// Longest line of a stream, in bytes.
const LONGEST_LINE: usize = 1024 * 1024;

/// A completion that is still arriving.
#[derive(Debug)]
pub struct StreamedReply {
    model: Arc<ChatModel>,
    response: Response,
    /// Until the reply has ended.
    open: Option<(Permit, AttemptTimer, CallPart)>,
    spending: Arc<Spending>,
    sent: Sent,
    must_end_at: Instant,
    /// The beginning of a line whose end has not arrived.
    partial: Vec<u8>,
    received: usize,
    assembly: Assembly,
    is_over: bool,
}

impl ChatModel {
    /// Sends `body` with `stream` set and answers once the reply begins; retries what may pass until
    /// then. The reply has to be read to its end; dropped before, its cost is an estimate.
    pub async fn forward_streamed(
        self: &Arc<Self>,
        body: &Value,
        purpose: Purpose,
        spending: Arc<Spending>,
    ) -> Result<StreamedReply, ForwardError> {
        if !self.endpoint.dialect.is_chat_completions() {
            let message = format!(
                "streams are passed on from chat completions only, and `{}` speaks `{}`: ask for whole \
                 replies",
                self.settings.provider,
                self.endpoint.dialect.as_str()
            );
            let history = CallHistory::new(&spending, self.line.stay());
            return Err(history.into_error((ModelErrorKind::Permanent, message)));
        }
        let mut body = body.clone();
        body["stream"] = Value::Bool(true);
        body["stream_options"] = json!({"include_usage": true});
        let bytes = body.to_string().into_bytes();
        let sent = self.sent(&body);
        let needs = self.needs(&body, sent, bytes.len());
        tracing::debug!(purpose = purpose.as_str(), "streamed call");
        let watched = Arc::clone(&spending);
        let mut history = CallHistory::new(&watched, self.line.stay());
        loop {
            let mut permit = match self.permit(needs, purpose, &history).await {
                Ok(permit) => permit,
                Err(outage) => {
                    let end = self.gave_up(outage, &history);
                    return Err(history.into_error(end));
                }
            };
            let is_probe = permit.is_probe();
            let timer = self.meter.attempt();
            let in_flight = RolloutClock::call_in_flight();
            spending.attempt_started(sent);
            let mut allowance = Allowance::default();
            let begun = self.begin_stream(bytes.clone(), &mut allowance).await;
            permit.heard(&allowance);
            match begun {
                Ok((response, first)) => {
                    let mut reply = StreamedReply {
                        model: Arc::clone(self),
                        response,
                        open: Some((permit, timer, in_flight)),
                        spending,
                        sent,
                        must_end_at: Instant::now() + self.timeouts.whole,
                        partial: Vec::new(),
                        received: 0,
                        assembly: Assembly::new(),
                        is_over: false,
                    };
                    reply.partial = first;
                    return Ok(reply);
                }
                Err(mut fault) => {
                    timer.ended(fault.outcome);
                    drop(in_flight);
                    let report = self.book(&mut fault, sent, &spending, &mut permit);
                    permit.finish(report);
                    self.meter.breaker(self.is_provider_down());
                    if let Err(end) = self.consider(fault, is_probe, &mut history).await {
                        return Err(history.into_error(end));
                    }
                }
            }
        }
    }

    /// A stream with its first bytes.
    async fn begin_stream(
        &self,
        body: Vec<u8>,
        allowance: &mut Allowance,
    ) -> Result<(Response, Vec<u8>), AttemptFault> {
        let to = self.addressee();
        let first_byte = self.timeouts.first_byte;
        let mut response = begin(
            &self.client,
            to,
            body,
            (Instant::now(), first_byte),
            allowance,
        )
        .await?;
        let kind = response.headers().get(CONTENT_TYPE);
        let is_stream = kind
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("text/event-stream"));
        let is_page = kind
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("text/html"));
        if is_page {
            return Err(AttemptFault::page(to, "the reply is a web page"));
        }
        if let Some(name) = compression_of(response.headers()) {
            let reason = format!(
                "the stream is compressed as `{name}`, and streams are passed on as they come; let the proxy \
                 on the way send them uncompressed"
            );
            return Err(AttemptFault::unreadable(to, &reason));
        }
        if !is_stream {
            let reason = "the reply is not an event stream";
            return Err(AttemptFault::unreadable(to, reason));
        }
        match timeout(first_byte, response.chunk()).await {
            Ok(Ok(Some(first))) => Ok((response, first.to_vec())),
            Ok(Ok(None)) => Err(AttemptFault::truncated(to, "nothing arrived")),
            Ok(Err(error)) => Err(AttemptFault::truncated(to, &innermost(&error))),
            Err(_) => Err(AttemptFault::timeout(to, "first byte", first_byte)),
        }
    }
}

impl StreamedReply {
    /// The next whole lines as the provider sent them; `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ModelError> {
        loop {
            if let Some(end) = self.partial.iter().rposition(|byte| *byte == b'\n') {
                let rest = self.partial.split_off(end + 1);
                let lines = std::mem::replace(&mut self.partial, rest);
                self.read(&lines)?;
                return Ok(Some(lines));
            }
            if self.partial.len() > LONGEST_LINE || self.received > LARGEST_REPLY {
                let message = format!(
                    "the streamed reply of provider `{}` is too long; lower `max_tokens`",
                    self.model.settings.provider
                );
                return Err(self.broke(AttemptFault::hopeless("too_large", message)));
            }
            if self.is_over {
                return Ok(None);
            }
            match timeout_at(self.must_end_at, self.response.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    self.received += chunk.len();
                    self.partial.extend_from_slice(&chunk);
                }
                Ok(Ok(None)) => return self.ended(),
                Ok(Err(error)) => {
                    let fault = AttemptFault::truncated(self.model.addressee(), &innermost(&error));
                    return Err(self.broke(fault));
                }
                Err(_) => {
                    let whole = self.model.timeouts.whole;
                    let fault =
                        AttemptFault::timeout(self.model.addressee(), "complete reply", whole);
                    return Err(self.broke(fault));
                }
            }
        }
    }

    /// The content that has arrived.
    pub fn end(&self) -> StreamEnd {
        self.assembly.end()
    }

    /// Whether the reply has arrived whole and its cost is settled.
    pub fn is_complete(&self) -> bool {
        self.open.is_none()
    }

    fn read(&mut self, lines: &[u8]) -> Result<(), ModelError> {
        for line in lines.split(|byte| *byte == b'\n') {
            match self.assembly.take_line(line) {
                Ok(Taken::Nothing | Taken::Piece { tokens: 0 }) => {}
                Ok(Taken::Piece { tokens }) => self.spending.received(tokens),
                Ok(Taken::Done) => self.settle(),
                Err(bad) => {
                    let to = self.model.addressee();
                    let fault = match bad {
                        BadLine::NotJson => {
                            AttemptFault::unreadable(to, "a line of the stream is not JSON")
                        }
                        BadLine::Error { status, data } => {
                            AttemptFault::from_status(to, status, data, None)
                        }
                    };
                    return Err(self.broke(fault));
                }
            }
        }
        Ok(())
    }

    /// The connection ended: well, if the provider had said that the reply is complete.
    fn ended(&mut self) -> Result<Option<Vec<u8>>, ModelError> {
        self.is_over = true;
        if self.open.is_some() && !self.assembly.is_ended() {
            let fault = AttemptFault::truncated(self.model.addressee(), "the stream ended early");
            return Err(self.broke(fault));
        }
        self.settle();
        let rest = std::mem::take(&mut self.partial);
        Ok((!rest.is_empty()).then_some(rest))
    }

    fn settle(&mut self) {
        let Some((mut permit, timer, _in_flight)) = self.open.take() else {
            return;
        };
        let completion = self.assembly.estimated_tokens();
        let reported = self.assembly.reported;
        let usage = self.model.usage_from(reported, self.sent, completion);
        timer.ended("ok");
        self.model.meter.tokens(&usage);
        self.spending.attempt_ended(usage);
        self.model.note_served();
        permit.cost(known_cost(usage));
        permit.finish(Report::Completed {
            tokens: usage.total_tokens(),
        });
        self.model.meter.breaker(self.model.is_provider_down());
    }

    /// Ends the attempt; what had arrived by then stays an estimate.
    fn broke(&mut self, fault: AttemptFault) -> ModelError {
        self.is_over = true;
        if let Some((mut permit, timer, _in_flight)) = self.open.take() {
            timer.ended(fault.outcome);
            // The provider has written a part of the reply.
            permit.cost(None);
            permit.finish(fault.report);
        }
        ModelError {
            kind: fault.kind,
            message: fault.message,
            usage: self.spending.usage(),
        }
    }
}
