//! A request body and its reply, with limits, retries and usage: what a model and a proxy share.

use std::sync::atomic::Ordering;

use serde_json::Value;
use tokio::time::{Instant, sleep};
use tracing::Instrument;

use super::attempt::attempt;
use super::chat::ChatModel;
use super::day_limit;
use super::fault::{AttemptFault, Paid, Retry};
use super::repeating::Repeating;
use super::reply::{
    Counted, MOST_TOKENS, Reply, Reported, ReportedTokens, completion_of, estimated_prompt_tokens,
};
use super::settings::ASSUMED_COMPLETION_TOKENS;
use super::spending::{Sent, Spending, known_cost};
use gepa_evaluation::{Completion, ModelError, ModelErrorKind, Purpose, RolloutClock, Usage};
use gepa_limiter::{Allowance, Needs, Outage, Permit, Report, Stay};

/// Attempts at most to reach a provider that has never answered.
const MOST_UNREACHED: u32 = 4;

/// Failed attempts of a call that is no obstacle yet to a run whose calls succeed, plus one.
const FAILURES_BEFORE_WORD: u32 = 3;

/// Attempts at most where each may have been paid for without a result.
const MOST_UNREADABLE: u32 = 3;

/// A completion as the provider sent it.
#[derive(Clone, Debug)]
pub struct RawReply {
    /// The body: byte for byte where it is JSON, else put into JSON.
    pub body: Vec<u8>,
    /// The body, parsed: an object with at least one choice.
    pub json: Value,
    /// Spent over all attempts.
    pub usage: Usage,
}

impl RawReply {
    /// The first choice's text, reasoning, tool calls and end, with what was spent. Reasoning within
    /// the text stays where it is.
    pub fn completion(&self) -> Completion {
        let reply = Reply::of_json(self.json.clone());
        completion_of(&reply, reply.said(), self.usage)
    }

    /// The body with `usage` in it: the provider's, or else the estimate, all of it as completion
    /// tokens beyond those of the prompt.
    pub fn body_with_usage(&self) -> Vec<u8> {
        let counted = self.json.pointer("/usage/prompt_tokens");
        if counted.is_some_and(Value::is_u64) {
            return self.body.clone();
        }
        let mut json = self.json.clone();
        let total = self.usage.total_tokens();
        json["usage"] = serde_json::json!({
            "prompt_tokens": 0,
            "completion_tokens": total,
            "total_tokens": total,
            "estimated": true,
        });
        json.to_string().into_bytes()
    }
}

/// A request that brought no completion.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error}")]
pub struct ForwardError {
    /// The failure, and the cost before it.
    pub error: ModelError,
    /// The provider's last status, if it answered at all.
    pub status: Option<u16>,
    /// The body that came with that status, without the key; empty if there was none.
    pub body: String,
}

/// The attempts of one call so far.
#[derive(Debug)]
pub(super) struct CallHistory<'a> {
    pub(super) spending: &'a Spending,
    stay: Stay,
    failed_attempts: u32,
    unreadable_replies: u32,
    last_fault: Option<AttemptFault>,
    repeating: Option<Repeating>,
}

impl<'a> CallHistory<'a> {
    pub(super) fn new(spending: &'a Spending, stay: Stay) -> Self {
        Self {
            spending,
            stay,
            failed_attempts: 0,
            unreadable_replies: 0,
            last_fault: None,
            repeating: None,
        }
    }

    /// The end of a call without a result.
    pub(super) fn into_error(self, (kind, message): (ModelErrorKind, String)) -> ForwardError {
        let answer = self.last_fault.and_then(|fault| fault.answer);
        ForwardError {
            error: ModelError {
                kind,
                message,
                usage: self.spending.usage(),
            },
            status: answer.as_ref().map(|answer| answer.status),
            body: answer.map(|answer| answer.body).unwrap_or_default(),
        }
    }
}

impl ChatModel {
    /// Sends `body`, a chat completions request, and answers with the reply; retries what may pass.
    ///
    /// The body goes out as it is, its `model` included; this model's settings add nothing but
    /// address, key, timeouts, limits and prices. For streamed replies there is
    /// [`forward_streamed`](Self::forward_streamed).
    pub async fn forward(&self, body: &Value, purpose: Purpose) -> Result<RawReply, ForwardError> {
        self.forward_watched(body, purpose, &Spending::default())
            .await
    }

    /// As [`forward`](Self::forward), keeping `spending` up to date, so that the cost of a call is
    /// known even if its future is dropped.
    pub async fn forward_watched(
        &self,
        body: &Value,
        purpose: Purpose,
        spending: &Spending,
    ) -> Result<RawReply, ForwardError> {
        let span = self.meter.call_span(purpose);
        let mut history = CallHistory::new(spending, self.line.stay());
        let result = self
            .run(body, purpose, &mut history)
            .instrument(span.clone())
            .await;
        let usage = spending.usage();
        span.record("attempts", usage.calls);
        span.record(
            "outcome",
            result.as_ref().map_or_else(error_label, |_| "ok"),
        );
        match result {
            Ok(reply) => Ok(RawReply {
                body: if reply.is_as_sent {
                    reply.body
                } else {
                    reply.json.to_string().into_bytes()
                },
                json: reply.json,
                usage,
            }),
            Err(end) => Err(history.into_error(end)),
        }
    }

    /// Waits while the provider is down or has requested a pause. A task app may wait less than an
    /// outage lasts, so its evaluator calls this before it starts a rollout. Fails when an outage
    /// lasts longer than `outage_seconds`.
    pub async fn until_available(&self) -> Result<(), ModelError> {
        let spending = Spending::default();
        let _waits = RolloutClock::call_waits();
        let outage = self.line.limiter().opened().await;
        outage.map_err(|outage| {
            let history = CallHistory::new(&spending, self.line.stay());
            let end = self.gave_up(outage, &history);
            history.into_error(end).error
        })
    }

    async fn run(
        &self,
        body: &Value,
        purpose: Purpose,
        history: &mut CallHistory<'_>,
    ) -> Result<Reply, (ModelErrorKind, String)> {
        if body.get("stream").and_then(Value::as_bool) == Some(true) {
            let message = "a streamed reply was asked for where a whole one is expected: send the \
                           request without `stream`";
            return Err((ModelErrorKind::Permanent, message.to_owned()));
        }
        let native = self.endpoint.dialect.request(body);
        let bytes = match native {
            Ok(native) => native.to_string().into_bytes(),
            Err(reason) => return Err((ModelErrorKind::Permanent, reason)),
        };
        let sent = self.sent(body);
        let needs = self.needs(body, sent, bytes.len());
        loop {
            let permit = self
                .permit(needs, purpose, history)
                .await
                .map_err(|outage| self.gave_up(outage, history))?;
            let is_probe = permit.is_probe();
            match self.attempt(bytes.clone(), permit, sent, history).await {
                Ok(reply) => return Ok(reply),
                Err(fault) => self.consider(fault, is_probe, history).await?,
            }
        }
    }

    /// The size of a request.
    pub(super) fn sent(&self, body: &Value) -> Sent {
        let choices = body.get("n").and_then(Value::as_u64).unwrap_or(1).max(1);
        Sent {
            prompt: estimated_prompt_tokens(body),
            most_completion: expected_completion_tokens(body).saturating_mul(choices),
            price: self.price,
        }
    }

    /// What an attempt reserves. Every token of the prompt is at least one byte of the body.
    pub(super) fn needs(&self, body: &Value, sent: Sent, bytes: usize) -> Needs {
        let completion = expected_completion_tokens(body);
        let most = sent.most_completion;
        let cost = self.price.map(|price| price.bound(bytes as u64, most));
        Needs {
            tokens: sent.prompt.saturating_add(completion),
            micro_dollars: cost.unwrap_or_default().0,
        }
    }

    pub(super) async fn permit(
        &self,
        needs: Needs,
        purpose: Purpose,
        history: &CallHistory<'_>,
    ) -> Result<Permit, Outage> {
        let asked = Instant::now();
        let _waits = RolloutClock::call_waits();
        let permit = self
            .line
            .acquire_within(&history.stay, needs, self.kinds.of(purpose))
            .await;
        self.meter.waited(asked.elapsed());
        permit
    }

    /// Makes one attempt and reports it to the metrics, the spending and the limiter.
    async fn attempt(
        &self,
        bytes: Vec<u8>,
        mut permit: Permit,
        sent: Sent,
        history: &mut CallHistory<'_>,
    ) -> Result<Reply, AttemptFault> {
        let timer = self.meter.attempt();
        let _in_flight = RolloutClock::call_in_flight();
        history.spending.attempt_started(sent);
        let mut allowance = Allowance::default();
        let to = self.addressee();
        let mut result = attempt(&self.client, to, bytes, self.timeouts, &mut allowance).await;
        permit.heard(&allowance);
        let report = match &mut result {
            Ok(reply) => {
                timer.ended("ok");
                let completion = reply.estimated_completion_tokens();
                let usage = self.usage_from(reply.reported(), sent, completion);
                self.meter.tokens(&usage);
                history.spending.attempt_ended(usage);
                self.note_served();
                permit.cost(known_cost(usage));
                Report::Completed {
                    tokens: usage.total_tokens(),
                }
            }
            Err(fault) => {
                timer.ended(fault.outcome);
                self.book(fault, sent, history.spending, &mut permit)
            }
        };
        permit.finish(report);
        self.meter.breaker(self.is_provider_down());
        result
    }

    /// Books the cost of an attempt without a result. An attempt that was paid for is the last of
    /// its call, because the cost bound of a call covers one paid attempt.
    pub(super) fn book(
        &self,
        fault: &mut AttemptFault,
        sent: Sent,
        spending: &Spending,
        permit: &mut Permit,
    ) -> Report {
        let usage = match fault.paid {
            Paid::Nothing => Usage {
                calls: u64::from(fault.was_sent),
                ..Usage::default()
            },
            Paid::Reported(reported) => self.usage_from(reported, sent, 0),
            Paid::About(tokens) => sent.answered_with(tokens),
        };
        spending.attempt_ended(usage);
        if fault.paid == Paid::Nothing {
            return fault.report;
        }
        self.meter.tokens(&usage);
        permit.cost(known_cost(usage));
        fault.retry = Retry::Never;
        fault.message = format!(
            "{}; it was paid for all the same: {}",
            fault.message,
            bill(usage)
        );
        match fault.report {
            Report::Answered => Report::Completed {
                tokens: usage.total_tokens(),
            },
            other => other,
        }
    }

    /// Waits before the next attempt, or returns the error that ends the call.
    pub(super) async fn consider(
        &self,
        fault: AttemptFault,
        was_probe: bool,
        history: &mut CallHistory<'_>,
    ) -> Result<(), (ModelErrorKind, String)> {
        tracing::debug!(
            provider = %self.settings.provider,
            model = %self.settings.model,
            outcome = fault.outcome,
            "attempt failed: {}", fault.message
        );
        *self.trouble.lock() = Some(fault.message.clone());
        let is_outage = matches!(fault.report, Report::Unavailable { .. } | Report::Unreached);
        // A failed probe means that the outage goes on. An outage has a time limit of its own.
        let counts = !(was_probe && is_outage) || fault.retry == Retry::Briefly;
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
            Retry::Briefly => has_attempts_left && history.failed_attempts < MOST_UNREACHED,
            Retry::Always => has_attempts_left,
        };
        let failed_attempts = history.failed_attempts;
        let fault = history.last_fault.insert(fault);
        if !may_try_again {
            let message = format!("{} (attempts: {failed_attempts})", fault.message);
            return Err((fault.kind, message));
        }
        if failed_attempts >= self.failures_before_word() {
            let calls = &self.repeating_calls;
            history
                .repeating
                .get_or_insert_with(|| Repeating::new(calls));
        }
        if counts {
            let wait = self.backoff.wait(failed_attempts);
            let _waits = RolloutClock::call_waits();
            tokio::select! {
                () = sleep(wait) => {}
                () = history.stay.ended() => return Err(self.gave_up(Outage::Left, history)),
            }
        }
        Ok(())
    }

    /// Failed attempts of one call from which on it counts as an obstacle. Where no call has succeeded,
    /// the first failure may have the cause that all have.
    fn failures_before_word(&self) -> u32 {
        if self.has_served.load(Ordering::Relaxed) {
            FAILURES_BEFORE_WORD
        } else {
            1
        }
    }

    pub(super) fn gave_up(
        &self,
        outage: Outage,
        history: &CallHistory<'_>,
    ) -> (ModelErrorKind, String) {
        let provider = &self.settings.provider;
        let address = &self.endpoint.base_url;
        let kind = match outage {
            Outage::DayUsedUp(day) => day_limit::kind(&day),
            Outage::NeverReached { .. } => ModelErrorKind::Unreachable,
            _ => ModelErrorKind::ProviderDown,
        };
        let message = match outage {
            Outage::NeverReached { lasted } => format!(
                "provider `{provider}` at {address} was not reached for {} s",
                lasted.as_secs_f64().ceil()
            ),
            Outage::Left => {
                let message = format!("the run left before provider `{provider}` was called");
                return (kind, message);
            }
            Outage::DayUsedUp(day) => return (kind, day_limit::told(provider, &day)),
            Outage::Unreachable { lasted } => format!(
                "provider `{provider}` at {address} has been down for {} s; resume when it is back",
                lasted.as_secs()
            ),
            Outage::Paused { wait } => format!(
                "provider `{provider}` asks for a pause of {} s, longer than `outage_seconds`; \
                 resume later or raise it",
                wait.as_secs()
            ),
        };
        let own = history
            .last_fault
            .as_ref()
            .map(|fault| fault.message.clone());
        match own.or_else(|| self.trouble.lock().clone()) {
            Some(trouble) => (kind, format!("{message}; last: {trouble}")),
            None => (kind, message),
        }
    }

    /// The cost of one reply; `completion` estimates its tokens and counts where none were reported.
    /// A bill that the provider sends with the reply wins over every price.
    pub(super) fn usage_from(&self, reported: Reported, sent: Sent, completion: u64) -> Usage {
        let price = self.price;
        let usage = match reported.tokens {
            ReportedTokens::Absent => sent.answered_with(completion),
            ReportedTokens::Total(total) => sent.using(total),
            ReportedTokens::Counted(counted) => {
                let Counted {
                    prompt,
                    completion,
                    cached,
                    ..
                } = counted;
                Usage {
                    calls: 1,
                    prompt_tokens: prompt,
                    completion_tokens: completion,
                    cached_tokens: cached,
                    cost: price.map(|price| price.cost(counted)).unwrap_or_default(),
                    unpriced_calls: u64::from(price.is_none()),
                    ..Usage::default()
                }
            }
        };
        match reported.cost {
            Some(cost) => Usage {
                cost,
                unpriced_calls: 0,
                ..usage
            },
            None => usage,
        }
    }
}

/// The cost of a reply, for people.
fn bill(usage: Usage) -> String {
    let about = if usage.unknown_tokens > 0 {
        "about "
    } else {
        ""
    };
    let tokens = usage.total_tokens();
    match usage.unpriced_calls {
        0 => format!("{about}{tokens} tokens, {}", usage.cost),
        _ => format!("{about}{tokens} tokens"),
    }
}

pub(super) fn error_label((kind, _): &(ModelErrorKind, String)) -> &'static str {
    match kind {
        ModelErrorKind::Transient => "transient",
        ModelErrorKind::Permanent => "permanent",
        ModelErrorKind::KeyRejected => "key_rejected",
        ModelErrorKind::Timeout => "timeout",
        ModelErrorKind::Refused => "refused",
        ModelErrorKind::ProviderDown => "provider_down",
        ModelErrorKind::Account => "account",
        ModelErrorKind::DayUsedUp { .. } => "day_used_up",
        ModelErrorKind::Unreachable => "unreachable",
    }
}

/// The tokens per minute that a request reserves for its reply; corrected afterwards.
pub(super) fn expected_completion_tokens(body: &Value) -> u64 {
    ["max_completion_tokens", "max_tokens"]
        .iter()
        .find_map(|field| body.get(field)?.as_u64())
        .unwrap_or(u64::from(ASSUMED_COMPLETION_TOKENS))
        .min(MOST_TOKENS)
}
