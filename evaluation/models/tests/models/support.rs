//! A client and a server for one test.

use std::sync::Arc;
use std::time::Duration;

use gepa_evaluation::{ChatRequest, Completion, Message, ModelError, Purpose, Usage};
use gepa_models::{
    ChatModel, Environment, ModelSettings, Models, PriceSettings, ProviderSettings, RetryTiming,
};
use gepa_testing::{FaultPlan, ModelServer};
use indexmap::IndexMap;

pub(crate) const KEY: &str = "sk-marker-5d41402abc4b2a76";

pub(crate) type Reply = Result<Completion, ModelError>;

/// Retries fast enough for tests.
pub(crate) fn fast() -> RetryTiming {
    RetryTiming {
        first_backoff: Duration::from_millis(1),
        longest_backoff: Duration::from_millis(2),
        first_probe_after: Duration::from_millis(1),
        probe_at_least_every: Duration::from_millis(2),
    }
}

pub(crate) fn models(server: &ModelServer) -> Models {
    Models::with_timing(environment(server), fast())
}

pub(crate) fn environment(server: &ModelServer) -> Environment {
    Environment::of([
        ("GROQ_API_KEY", KEY.to_owned()),
        ("GROQ_API_BASE", server.base_url()),
    ])
}

pub(crate) fn settings() -> ModelSettings {
    ModelSettings {
        max_tokens: Some(64),
        max_attempts: Some(4),
        ..ModelSettings::new("groq", "some-model")
    }
}

pub(crate) fn providers(settings: ProviderSettings) -> IndexMap<String, ProviderSettings> {
    IndexMap::from([("groq".to_owned(), settings)])
}

/// One dollar a prompt token and two a completion token, in micro-dollars.
pub(crate) fn prices() -> [PriceSettings; 1] {
    [PriceSettings {
        provider: "groq".to_owned(),
        model: "some-model".to_owned(),
        prompt_usd_per_million: 1.0,
        cached_usd_per_million: Some(0.25),
        cache_write_usd_per_million: None,
        completion_usd_per_million: 2.0,
    }]
}

pub(crate) fn connect(server: &ModelServer, settings: &ModelSettings) -> Arc<ChatModel> {
    models(server)
        .connect(settings, &IndexMap::new(), &prices())
        .unwrap()
}

pub(crate) async fn echoing(faults: FaultPlan) -> ModelServer {
    ModelServer::echoing().faults(faults).start().await.unwrap()
}

pub(crate) fn request(text: &str) -> ChatRequest {
    ChatRequest {
        messages: vec![
            Message::new("system", "Repeat."),
            Message::new("user", text),
        ],
        purpose: Purpose::Rollout,
    }
}

pub(crate) fn usage_of(reply: &Reply) -> Usage {
    match reply {
        Ok(completion) => completion.usage,
        Err(error) => error.usage,
    }
}

/// The books of both sides agree, faults included.
pub(crate) fn check_books(server: &ModelServer, spent: Usage) {
    let ledger = server.ledger();
    assert_eq!(ledger.calls_received, spent.calls, "calls");
    assert_eq!(ledger.prompt_tokens, spent.prompt_tokens, "prompt tokens");
    assert_eq!(
        ledger.completion_tokens, spent.completion_tokens,
        "completion tokens"
    );
    assert_eq!(ledger.cached_tokens, spent.cached_tokens, "cached tokens");
    assert_eq!(ledger.in_flight, 0, "in flight");
}
