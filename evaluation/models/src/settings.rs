//! The settings of models, providers and prices. The comments here become the reference of the
//! configuration keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ModelSetupError;
use super::dialect::Dialect;

/// Tokens a reply is assumed to take at most where `max_tokens` is not set.
pub(super) const ASSUMED_COMPLETION_TOKENS: u32 = 4_096;

const LONGEST_SECONDS: f64 = 86_400.0;

/// One model behind an endpoint of a provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelSettings {
    /// Who serves the model: `openai`, `anthropic`, `azure`, `bedrock`, `groq`, `gemini` (or `google`),
    /// `openrouter`, `ollama`, `vllm`, or any other name together with a base URL.
    pub provider: String,
    /// The model's name, exactly as the provider calls it.
    pub model: String,
    /// Where the provider listens, up to and including `/v1`. Default: `providers.NAME.base_url`,
    /// then the environment variable `NAME_API_BASE`, then the provider's public address. The
    /// environment variable `GEPA_PROVIDER_BASE_URL` overrides all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The environment variable that holds the key. Default: `providers.NAME.api_key_env`, then
    /// `NAME_API_KEY`. `ollama`, `vllm` and loopback addresses work without a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// The protocol spoken with it. Default: `providers.NAME.dialect`, then the provider's: `anthropic`
    /// for `anthropic`, `azure` for `azure`, `bedrock` for `bedrock`, `chat_completions` for everyone
    /// else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Dialect>,
    /// Sampling temperature, 0 to 2. Default: the provider's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling, above 0 up to 1. Default: the provider's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Most tokens of one reply, at least 1. Default: the provider's limit; budgets then assume
    /// 4096, so set it where a token or cost limit must never be exceeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Sampling seed, for providers that take one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Further fields of the request body, such as `reasoning_effort`. They win over the settings
    /// above; `model`, `messages` and `stream` cannot be set here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
    /// The body field that carries `max_tokens`. Default: `max_completion_tokens` for `openai` and
    /// `groq`, `max_tokens` for everyone else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens_field: Option<MaxTokensField>,
    /// Seconds to wait for a connection. Default: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout_seconds: Option<f64>,
    /// Seconds from sending a request to the first byte of the reply. Default: as long as
    /// `timeout_seconds`, because most providers send nothing until the reply is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_timeout_seconds: Option<f64>,
    /// Seconds one attempt may take, from sending the request to the last byte. Default: 300.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
    /// How often one call is tried before it fails, at least 1. Default: 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
}

/// The body field that limits the length of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// The older name, understood nearly everywhere.
    MaxTokens,
    /// The newer name, which reasoning models insist on.
    MaxCompletionTokens,
}

/// What holds for one provider, whichever model is used: `[providers.NAME]`.
///
/// All models of a process that use the same address and key share one limiter. Where they ask for
/// different limits, the strictest one holds while any of them is in use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProviderSettings {
    /// Where the provider listens, up to and including `/v1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The environment variable that holds the key. Default: `NAME_API_KEY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// The protocol spoken there. Default: that of the provider's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Dialect>,
    /// The `api-version` of Azure. Default: `2024-10-21`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Most requests in flight at once, at least 1. The limiter goes below it while the provider
    /// complains and comes back. Default: 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u32>,
    /// Most requests sent in any 60 seconds, at least 1. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Most tokens, prompt and completion, in any 60 seconds, at least 1; estimated before a call
    /// and corrected after it. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Most dollars that calls may cost on a day in UTC, above 0. Each call reserves the most that it can cost, and
    /// what it did not cost goes back. When it is used up, runs pause, resumably, until midnight in UTC. Every model
    /// of the provider needs a price. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dollars_per_day: Option<f64>,
    /// Seconds the provider may be down before calls give up and the run pauses, resumably. Also
    /// the longest `Retry-After` that is waited for. Default: 600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outage_seconds: Option<f64>,
}

/// What one model costs: one entry of `[[prices]]`. Wins over the built-in table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PriceSettings {
    /// The provider's name.
    pub provider: String,
    /// The model's name as sent to the provider; also covers names with a date after it.
    pub model: String,
    /// US dollars per million prompt tokens.
    pub prompt_usd_per_million: f64,
    /// US dollars per million prompt tokens served from the provider's cache. Default: as uncached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_usd_per_million: Option<f64>,
    /// US dollars per million prompt tokens written to the provider's cache. Default: as uncached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_usd_per_million: Option<f64>,
    /// US dollars per million completion tokens.
    pub completion_usd_per_million: f64,
}

impl ModelSettings {
    /// Settings with everything but the provider and the model left at its default.
    pub fn new(provider: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            model: model.into(),
            base_url: None,
            api_key_env: None,
            dialect: None,
            temperature: None,
            top_p: None,
            max_tokens: None,
            seed: None,
            extra: Map::new(),
            max_tokens_field: None,
            connect_timeout_seconds: None,
            first_byte_timeout_seconds: None,
            timeout_seconds: None,
            max_attempts: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), ModelSetupError> {
        if self.provider.trim().is_empty() {
            return Err(invalid("provider", "name who serves the model"));
        }
        if self.model.trim().is_empty() {
            return Err(invalid("model", "name the model as the provider calls it"));
        }
        if !self.temperature.is_none_or(|t| (0.0..=2.0).contains(&t)) {
            return Err(invalid("temperature", "expected 0 to 2"));
        }
        if !self.top_p.is_none_or(|p| p > 0.0 && p <= 1.0) {
            return Err(invalid("top_p", "expected above 0 and at most 1"));
        }
        check_positive("max_tokens", self.max_tokens.map(u64::from))?;
        check_positive("max_attempts", self.max_attempts.map(u64::from))?;
        check_seconds("connect_timeout_seconds", self.connect_timeout_seconds)?;
        check_seconds(
            "first_byte_timeout_seconds",
            self.first_byte_timeout_seconds,
        )?;
        check_seconds("timeout_seconds", self.timeout_seconds)?;
        let reserved = ["model", "messages", "stream", "stream_options"];
        match reserved.iter().find(|name| self.extra.contains_key(**name)) {
            Some(name) => Err(invalid("extra", &format!("`{name}` cannot be set here"))),
            None => Ok(()),
        }
    }
}

impl ProviderSettings {
    pub(super) fn check(&self) -> Result<(), ModelSetupError> {
        let is_version = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if !self
            .api_version
            .as_ref()
            .is_none_or(|version| version.chars().all(is_version))
        {
            return Err(invalid(
                "api_version",
                "expected a version such as 2024-10-21",
            ));
        }
        check_positive("max_concurrent", self.max_concurrent.map(u64::from))?;
        check_positive(
            "requests_per_minute",
            self.requests_per_minute.map(u64::from),
        )?;
        check_positive("tokens_per_minute", self.tokens_per_minute)?;
        let is_sane = |dollars: f64| (0.000_001..=1e9).contains(&dollars);
        if !self.dollars_per_day.is_none_or(is_sane) {
            let expected = "expected above 0 and at most 1000000000 dollars";
            return Err(invalid("dollars_per_day", expected));
        }
        check_seconds("outage_seconds", self.outage_seconds)
    }
}

impl PriceSettings {
    pub(super) fn check(&self) -> Result<(), ModelSetupError> {
        let prices = [
            Some(self.prompt_usd_per_million),
            self.cached_usd_per_million,
            self.cache_write_usd_per_million,
            Some(self.completion_usd_per_million),
        ];
        let all_sane = prices
            .into_iter()
            .flatten()
            .all(|price| (0.0..=1e6).contains(&price));
        if all_sane {
            return Ok(());
        }
        let expected = format!("expected 0 to 1000000 dollars for model `{}`", self.model);
        Err(invalid("prices", &expected))
    }
}

fn check_positive(setting: &'static str, value: Option<u64>) -> Result<(), ModelSetupError> {
    if value == Some(0) {
        return Err(invalid(setting, "expected at least 1"));
    }
    Ok(())
}

fn check_seconds(setting: &'static str, value: Option<f64>) -> Result<(), ModelSetupError> {
    if value.is_none_or(|seconds| seconds > 0.0 && seconds <= LONGEST_SECONDS) {
        return Ok(());
    }
    Err(invalid(
        setting,
        "expected above 0 and at most 86400 seconds",
    ))
}

fn invalid(setting: &'static str, expected: &str) -> ModelSetupError {
    ModelSetupError::Setting {
        setting,
        expected: expected.to_owned(),
    }
}

#[cfg(test)]
mod tests;
