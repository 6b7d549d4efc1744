//! The language model behind one endpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use reqwest::Client;
use serde_json::{Map, Value, json};

use super::attempt::Timeouts;
use super::backoff::Backoff;
use super::endpoint::{Endpoint, max_tokens_field};
use super::fault::Addressee;
use super::prices::Price;
use super::reply::{Reply, completion_of};
use super::settings::{ASSUMED_COMPLETION_TOKENS, MaxTokensField, ModelSettings};
use super::telemetry::Meter;
use gepa_evaluation::{
    CallLimit, CallsClosed, ChatRequest, Completion, LanguageModel, Message, ModelError, ModelInfo,
    Purpose, UsageBound,
};
use gepa_limiter::{CallKind, Limiter, RunQueue, Standing};

/// Bytes of a token of usual texts, for estimates.
const BYTES_PER_TOKEN: u64 = 4;
/// Tokens of a usual answer, for estimates.
const USUAL_ANSWER: u64 = 60;
/// Tokens of a usual reply that holds a new text, for estimates.
const USUAL_REWRITING: u64 = 400;

/// Tokens a chat format puts around a message, and around the whole, at most.
const TOKENS_AROUND: u64 = 16;

/// A model served over OpenAI-compatible chat completions. Made by
/// [`Models::connect`](super::Models::connect).
#[derive(Debug)]
pub struct ChatModel {
    pub(super) settings: ModelSettings,
    pub(super) endpoint: Endpoint,
    pub(super) client: Client,
    pub(super) line: Arc<RunQueue>,
    pub(super) kinds: Kinds,
    pub(super) backoff: Backoff,
    pub(super) price: Option<Price>,
    pub(super) timeouts: Timeouts,
    pub(super) max_attempts: u32,
    pub(super) meter: Meter,
    /// Whether a call of this run has succeeded. A key that is refused before is a wrong key; one that
    /// is refused after it is trouble with the account.
    pub(super) has_served: AtomicBool,
    /// Calls that have failed and are being made again.
    pub(super) repeating_calls: Arc<AtomicU32>,
    /// The last failure, shown to a caller that asks why calls wait.
    pub(super) trouble: Mutex<Option<String>>,
}

/// The limiter's kinds of calls to one model: a reflection takes many times as long as a rollout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kinds {
    rollout: CallKind,
    reflection: CallKind,
    judge: CallKind,
}

impl Kinds {
    pub(super) fn new(limiter: &Limiter, model: &str) -> Self {
        let kind = |purpose: Purpose| limiter.kind(&format!("{model} {}", purpose.as_str()));
        Self {
            rollout: kind(Purpose::Rollout),
            reflection: kind(Purpose::Reflection),
            judge: kind(Purpose::Judge),
        }
    }

    pub(super) fn of(self, purpose: Purpose) -> CallKind {
        match purpose {
            Purpose::Rollout => self.rollout,
            Purpose::Reflection => self.reflection,
            Purpose::Judge => self.judge,
        }
    }
}

#[async_trait]
impl LanguageModel for ChatModel {
    async fn complete(&self, request: ChatRequest) -> Result<Completion, ModelError> {
        let body = self.request_body(&request.messages);
        let raw = self
            .forward(&body, request.purpose)
            .await
            .map_err(|failure| failure.error)?;
        let reply = Reply::of_json(raw.json);
        Ok(completion_of(&reply, reply.said(), raw.usage))
    }

    /// At most one attempt brings a completion, and only completions have countable tokens. Every
    /// token is at least one byte.
    fn usage_bound(&self, messages: &[Message]) -> Option<UsageBound> {
        let extra_bytes = Value::Object(self.settings.extra.clone()).to_string().len() as u64;
        let message_bytes: u64 = messages
            .iter()
            .map(|message| (message.role.len() + message.content.len()) as u64 + TOKENS_AROUND)
            .sum();
        let prompt = message_bytes + extra_bytes + TOKENS_AROUND;
        let completion = self.most_completion_tokens();
        Some(UsageBound {
            tokens: prompt.saturating_add(completion),
            cost: self
                .price
                .map(|price| price.bound(prompt, completion))
                .unwrap_or_default(),
        })
    }

    fn usage_estimate(&self, messages: &[Message], purpose: Purpose) -> Option<UsageBound> {
        let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
        let prompt = bytes as u64 / BYTES_PER_TOKEN + TOKENS_AROUND * messages.len() as u64;
        let usual = match purpose {
            Purpose::Reflection => USUAL_REWRITING,
            Purpose::Rollout | Purpose::Judge => USUAL_ANSWER,
        };
        let completion = usual.min(self.most_completion_tokens());
        Some(UsageBound {
            tokens: prompt + completion,
            cost: self
                .price
                .map(|price| price.bound(prompt, completion))
                .unwrap_or_default(),
        })
    }

    fn obstacle(&self) -> Option<String> {
        if let Some(trouble) = self.line.limiter().share_trouble() {
            let provider = &self.settings.provider;
            return Some(format!(
                "a share of the limits of provider `{provider}`; they are shared, and their place does not \
                 answer: {trouble}"
            ));
        }
        let provider = &self.settings.provider;
        let address = &self.endpoint.base_url;
        let Some(standing) = self.line.limiter().standing() else {
            let calls = self.repeating_calls.load(Ordering::Relaxed);
            let trouble = self.trouble.lock().clone().filter(|_| calls > 0)?;
            return Some(match calls {
                1 => format!("a call to provider `{provider}` is made again: {trouble}"),
                _ => format!("{calls} calls to provider `{provider}` are made again: {trouble}"),
            });
        };
        let waits = match standing {
            Standing::Down {
                lasted,
                next_try_in,
                gives_up_in,
            } => format!(
                "provider `{provider}` at {address}, which is down for {} s; {}, gives up in {} s",
                lasted.as_secs(),
                match next_try_in {
                    Some(wait) => format!("next try in {} s", wait.as_secs_f64().ceil()),
                    None => "being tried".to_owned(),
                },
                gives_up_in.as_secs_f64().ceil()
            ),
            Standing::Paused { ends_in } => format!(
                "provider `{provider}` at {address}, which asked for a pause: {} s are left",
                ends_in.as_secs_f64().ceil()
            ),
        };
        Some(match &*self.trouble.lock() {
            Some(trouble) => format!("{waits} ({trouble})"),
            None => waits,
        })
    }

    fn call_limit(&self) -> Option<CallLimit> {
        let load = self.line.limiter().load();
        Some(CallLimit {
            provider: self.settings.provider.clone(),
            allowed: load.allowed,
            refused: load.refused,
            closed: load.standing.map(|standing| match standing {
                Standing::Down { .. } => CallsClosed::Down,
                Standing::Paused { .. } => CallsClosed::Paused,
            }),
        })
    }

    fn is_priced(&self) -> bool {
        self.price.is_some()
    }

    fn stop_waiting(&self) {
        self.line.leave();
    }

    fn info(&self) -> ModelInfo {
        ModelInfo {
            provider: self.settings.provider.clone(),
            model: self.settings.model.clone(),
        }
    }
}

/// A message whose shared beginning is marked for the provider's cache.
fn marked(message: &Message) -> Value {
    match message.content.split_at_checked(message.shared_prefix) {
        None | Some(("", _)) => json!(message),
        Some((shared, rest)) => json!({
            "role": message.role,
            "content": [
                {"type": "text", "text": shared, "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": rest},
            ],
        }),
    }
}

impl ChatModel {
    /// The body that asks this model to complete `messages`, with everything its settings say.
    pub fn request_body(&self, messages: &[Message]) -> Value {
        let settings = &self.settings;
        let optional = [
            ("temperature", settings.temperature.map(Value::from)),
            ("top_p", settings.top_p.map(Value::from)),
            (self.max_tokens_name(), settings.max_tokens.map(Value::from)),
            ("seed", settings.seed.map(Value::from)),
        ];
        let mut body = Map::new();
        body.insert("model".to_owned(), json!(settings.model));
        let messages: Vec<Value> = if self.endpoint.dialect.takes_cache_marks() {
            messages.iter().map(marked).collect()
        } else {
            messages.iter().map(|message| json!(message)).collect()
        };
        body.insert("messages".to_owned(), Value::Array(messages));
        for (name, value) in optional {
            if let Some(value) = value {
                body.insert(name.to_owned(), value);
            }
        }
        for (name, value) in &settings.extra {
            body.insert(name.clone(), value.clone());
        }
        Value::Object(body)
    }

    /// The body that forwards another program's request to this model. The values of these settings
    /// win; fields that they leave open stay as sent. Only one limit on the reply's length is sent,
    /// under the name this provider knows.
    pub fn proxied_body(&self, mut sent: Map<String, Value>) -> Value {
        let settings = &self.settings;
        let limits = ["max_completion_tokens", "max_tokens"];
        let known = self.max_tokens_name();
        let has_limit_of_its_own = limits.iter().any(|name| settings.extra.contains_key(*name));
        let sent_limit = limits.iter().filter_map(|name| sent.get(*name));
        let sent_limit = sent_limit
            .into_iter()
            .find(|limit| !limit.is_null())
            .cloned();
        let limit = settings.max_tokens.map(Value::from).or(sent_limit);
        // The known name stays in its place, so that a call that says the same is sent as it came.
        for name in limits {
            let stays = name == known && limit.is_some() && !has_limit_of_its_own;
            if !stays {
                sent.shift_remove(name);
            }
        }
        let optional = [
            ("model", Some(json!(settings.model))),
            ("temperature", settings.temperature.map(Value::from)),
            ("top_p", settings.top_p.map(Value::from)),
            ("seed", settings.seed.map(Value::from)),
            (known, limit.filter(|_| !has_limit_of_its_own)),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                sent.insert(name.to_owned(), value);
            }
        }
        for (name, value) in &settings.extra {
            sent.insert(name.clone(), value.clone());
        }
        Value::Object(sent)
    }

    /// The settings this model was connected with.
    pub fn settings(&self) -> &ModelSettings {
        &self.settings
    }

    /// Whether the provider counts as down at this moment.
    pub fn is_provider_down(&self) -> bool {
        self.line.limiter().is_down()
    }

    pub(super) fn note_served(&self) {
        self.has_served.store(true, Ordering::Relaxed);
    }

    pub(super) fn addressee(&self) -> Addressee<'_> {
        Addressee {
            provider: &self.settings.provider,
            model: &self.settings.model,
            endpoint: &self.endpoint,
            has_answered: self.line.limiter().has_answered(),
            has_served: self.has_served.load(Ordering::Relaxed),
        }
    }

    fn max_tokens_name(&self) -> &'static str {
        match max_tokens_field(&self.settings) {
            MaxTokensField::MaxTokens => "max_tokens",
            MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
        }
    }

    fn most_completion_tokens(&self) -> u64 {
        let extra = |field| self.settings.extra.get(field).and_then(Value::as_u64);
        let per_choice = extra("max_completion_tokens")
            .or_else(|| extra("max_tokens"))
            .or(self.settings.max_tokens.map(u64::from))
            .unwrap_or(u64::from(ASSUMED_COMPLETION_TOKENS));
        per_choice.saturating_mul(extra("n").unwrap_or(1).max(1))
    }
}
