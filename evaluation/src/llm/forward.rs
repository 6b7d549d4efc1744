//! A request body and its reply, with limits, retries and usage: what a model and a proxy share.

use serde_json::Value;
use tokio::time::{Instant, sleep};
use tracing::Instrument;

use super::attempt::attempt;
use super::chat::ChatModel;
use super::fault::{AttemptFault, Retry};
use super::limiter::{Outage, Permit, Report};
use super::prices::Price;
use super::reply::{MOST_TOKENS, Reply, ReportedTokens, estimated_prompt_tokens};
use super::settings::ASSUMED_COMPLETION_TOKENS;
use crate::{ModelError, ModelErrorKind, Purpose, Usage};

/// Attempts at most where each of them may have been paid for without bringing anything.
const MOST_UNREADABLE: u32 = 3;

/// A completion as the provider sent it.
#[derive(Clone, Debug)]
pub struct RawReply {
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// The body, parsed: an object with at least one choice.
    pub json: Value,
    /// Spent over all attempts.
    pub usage: Usage,
}

/// A request that brought no completion.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error}")]
pub struct ForwardError {
    /// What went wrong, and what was spent before.
    pub error: ModelError,
    /// The provider's last status, if it answered at all.
    pub status: Option<u16>,
    /// The body that came with that status, without the key; empty if there was none.
    pub body: String,
}

/// What one call has gone through so far.
#[derive(Debug, Default)]
struct CallHistory {
    usage: Usage,
    failed_attempts: u32,
    unreadable_replies: u32,
    last_fault: Option<AttemptFault>,
}

impl ChatModel {
    /// Sends `body`, a chat completions request, and answers with the reply; retries what may pass.
    ///
    /// The body goes out as it is, its `model` included; this model's settings add nothing but
    /// address, key, timeouts, limits and prices. Streamed replies are not supported.
    pub async fn forward(&self, body: &Value, purpose: Purpose) -> Result<RawReply, ForwardError> {
        let span = self.meter.call_span(purpose);
        let mut history = CallHistory::default();
        let result = self.run(body, &mut history).instrument(span.clone()).await;
        span.record("attempts", history.usage.calls);
        span.record(
            "outcome",
            result.as_ref().map_or_else(error_label, |_| "ok"),
        );
        let usage = history.usage;
        match result {
            Ok(reply) => Ok(RawReply {
                body: reply.body,
                json: reply.json,
                usage,
            }),
            Err((kind, message)) => {
                let answer = history.last_fault.and_then(|fault| fault.answer);
                Err(ForwardError {
                    error: ModelError {
                        kind,
                        message,
                        usage,
                    },
                    status: answer.as_ref().map(|answer| answer.status),
                    body: answer.map(|answer| answer.body).unwrap_or_default(),
                })
            }
        }
    }

    async fn run(
        &self,
        body: &Value,
        history: &mut CallHistory,
    ) -> Result<Reply, (ModelErrorKind, String)> {
        if body.get("stream").and_then(Value::as_bool) == Some(true) {
            let message = "streamed replies are not supported: send the request without `stream`";
            return Err((ModelErrorKind::Permanent, message.to_owned()));
        }
        let bytes = body.to_string().into_bytes();
        let prompt_tokens = estimated_prompt_tokens(body);
        let expected_tokens = prompt_tokens + expected_completion_tokens(body);
        loop {
            let permit = self
                .permit(expected_tokens)
                .await
                .map_err(|outage| self.gave_up(outage, history))?;
            let is_probe = permit.is_probe();
            match self
                .attempt(bytes.clone(), permit, prompt_tokens, history)
                .await
            {
                Ok(reply) => return Ok(reply),
                Err(fault) => self.consider(fault, is_probe, history).await?,
            }
        }
    }

    async fn permit(&self, expected_tokens: u64) -> Result<Permit, Outage> {
        let asked = Instant::now();
        let permit = self.limiter.acquire(expected_tokens).await;
        self.meter.waited(asked.elapsed());
        permit
    }

    /// One attempt, with everything that has to be written down about it.
    async fn attempt(
        &self,
        bytes: Vec<u8>,
        permit: Permit,
        prompt_tokens: u64,
        history: &mut CallHistory,
    ) -> Result<Reply, AttemptFault> {
        let timer = self.meter.attempt();
        let result = attempt(&self.client, self.addressee(), bytes, self.timeouts).await;
        let report = match &result {
            Ok(reply) => {
                timer.ended("ok");
                let usage = self.usage_of(reply, prompt_tokens);
                self.meter.tokens(&usage);
                history.usage += usage;
                Report::Completed {
                    tokens: usage.total_tokens(),
                }
            }
            Err(fault) => {
                timer.ended(fault.outcome);
                history.usage.calls += u64::from(fault.was_sent);
                fault.report
            }
        };
        permit.finish(report);
        self.meter.breaker(self.limiter.is_down());
        result
    }

    /// Waits before the next attempt, or says that there is none.
    async fn consider(
        &self,
        fault: AttemptFault,
        was_probe: bool,
        history: &mut CallHistory,
    ) -> Result<(), (ModelErrorKind, String)> {
        tracing::debug!(
            provider = %self.settings.provider,
            model = %self.settings.model,
            outcome = fault.outcome,
            "attempt failed: {}", fault.message
        );
        let is_outage = matches!(fault.report, Report::Unavailable { .. });
        // A failed probe says that the outage goes on, whose length has a limit of its own.
        let counts = !(was_probe && is_outage);
        history.failed_attempts += u32::from(counts);
        history.unreadable_replies += u32::from(fault.retry == Retry::Sparingly);
        let has_attempts_left = history.failed_attempts < self.max_attempts;
        let may_try_again = match fault.retry {
            Retry::Never => {
                let end = (fault.kind, fault.message.clone());
                history.last_fault = Some(fault);
                return Err(end);
            }
            Retry::Sparingly => has_attempts_left && history.unreadable_replies < MOST_UNREADABLE,
            Retry::Always => has_attempts_left,
        };
        let failed_attempts = history.failed_attempts;
        let fault = history.last_fault.insert(fault);
        if !may_try_again {
            let message = format!("{} (attempts: {failed_attempts})", fault.message);
            return Err((fault.kind, message));
        }
        if counts {
            sleep(self.backoff.wait(failed_attempts)).await;
        }
        Ok(())
    }

    fn gave_up(&self, outage: Outage, history: &CallHistory) -> (ModelErrorKind, String) {
        let provider = &self.settings.provider;
        let mut message = match outage {
            Outage::Unreachable { lasted } => format!(
                "provider `{provider}` at {} has been down for {} s; resume when it is back",
                self.endpoint.base_url,
                lasted.as_secs()
            ),
            Outage::Paused { wait } => format!(
                "provider `{provider}` asks for a pause of {} s, longer than `outage_seconds`; \
                 resume later or raise it",
                wait.as_secs()
            ),
        };
        if let Some(fault) = &history.last_fault {
            message = format!("{message}; last: {}", fault.message);
        }
        (ModelErrorKind::ProviderDown, message)
    }

    fn usage_of(&self, reply: &Reply, prompt_tokens: u64) -> Usage {
        let calls = 1;
        let estimated = |unknown_tokens| Usage {
            calls,
            unknown_tokens,
            unpriced_calls: u64::from(!self.price.is_some_and(Price::is_free)),
            ..Usage::default()
        };
        match reply.reported_tokens() {
            ReportedTokens::Absent => {
                estimated(prompt_tokens + reply.estimated_completion_tokens())
            }
            ReportedTokens::Total(total) => estimated(total),
            ReportedTokens::Counted {
                prompt,
                completion,
                cached,
            } => Usage {
                calls,
                prompt_tokens: prompt,
                completion_tokens: completion,
                cached_tokens: cached,
                cost: self
                    .price
                    .map(|price| price.cost(prompt, cached, completion))
                    .unwrap_or_default(),
                unpriced_calls: u64::from(self.price.is_none()),
                ..Usage::default()
            },
        }
    }
}

fn error_label((kind, _): &(ModelErrorKind, String)) -> &'static str {
    match kind {
        ModelErrorKind::Transient => "transient",
        ModelErrorKind::Permanent => "permanent",
        ModelErrorKind::KeyRejected => "key_rejected",
        ModelErrorKind::Timeout => "timeout",
        ModelErrorKind::Refused => "refused",
        ModelErrorKind::ProviderDown => "provider_down",
    }
}

/// What a request reserves of the tokens per minute for its reply; corrected afterwards.
fn expected_completion_tokens(body: &Value) -> u64 {
    ["max_completion_tokens", "max_tokens"]
        .iter()
        .find_map(|field| body.get(field)?.as_u64())
        .unwrap_or(u64::from(ASSUMED_COMPLETION_TOKENS))
        .min(MOST_TOKENS)
}
