//! A model, an interceptor and a lease for one test.

use std::sync::Arc;
use std::time::Duration;

use gepa_archive::Candidate;
use gepa_evaluation::{PromptMessage, PromptTemplate};
use gepa_models::{ChatModel, Environment, ModelSettings, Models, RetryTiming};
use gepa_tasks::interceptor::{Interceptor, Lease, LeaseTerms, SubstitutionPlan};
use gepa_testing::ModelServer;
use indexmap::IndexMap;
use serde_json::{Value, json};

pub(crate) const KEY: &str = "sk-marker-9f86d081884c7d65";

/// The response that a client read.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

pub(crate) fn fast() -> RetryTiming {
    RetryTiming {
        first_backoff: Duration::from_millis(1),
        longest_backoff: Duration::from_millis(2),
        first_probe_after: Duration::from_millis(1),
        probe_at_least_every: Duration::from_millis(2),
    }
}

pub(crate) fn policy_settings() -> ModelSettings {
    ModelSettings {
        max_tokens: Some(64),
        temperature: Some(0.25),
        ..ModelSettings::new("groq", "policy-model")
    }
}

pub(crate) fn policy_at(base_url: &str, settings: &ModelSettings) -> Arc<ChatModel> {
    let environment = Environment::of([("GROQ_API_KEY", KEY), ("GROQ_API_BASE", base_url)]);
    Models::with_timing(environment, fast())
        .connect(settings, &IndexMap::new(), &[])
        .unwrap()
}

pub(crate) fn policy(server: &ModelServer) -> Arc<ChatModel> {
    policy_at(&server.base_url(), &policy_settings())
}

pub(crate) fn interceptor() -> Interceptor {
    Interceptor::new(&Environment::of::<&str, &str>([]))
}

/// Terms under which the system message `Baseline.` becomes `Candidate.`.
pub(crate) fn terms(policy: Arc<ChatModel>) -> LeaseTerms {
    let template = PromptTemplate {
        messages: vec![PromptMessage {
            role: "system".to_owned(),
            component: Some("instruction".to_owned()),
            pattern: "Baseline.".to_owned(),
        }],
    };
    let seed = Candidate::new([("instruction", "Baseline.")]).unwrap();
    LeaseTerms {
        plan: Arc::new(SubstitutionPlan::new(&template, &seed, &[])),
        candidate: Arc::new(Candidate::new([("instruction", "Candidate.")]).unwrap()),
        policy,
        answer_within: Duration::from_secs(20),
    }
}

pub(crate) async fn lease(interceptor: &Interceptor, policy: Arc<ChatModel>) -> Lease {
    interceptor.open(terms(policy), "test").await.unwrap()
}

/// The address an app makes of an inference URL.
pub(crate) fn completions_url(inference_url: &str) -> String {
    inference_url.replace('?', "/chat/completions?")
}

pub(crate) fn body(user: &str) -> Value {
    json!({
        "model": "the-apps-model",
        "messages": [
            {"role": "system", "content": "Baseline."},
            {"role": "user", "content": user},
        ],
        "temperature": 1.0,
        "max_tokens": 7,
        "max_completion_tokens": 8,
        "tools": [{"type": "function", "function": {"name": "answer"}}],
        "tool_choice": "required",
    })
}

pub(crate) fn client() -> reqwest::Client {
    // Installs the TLS provider that the client's builder insists on.
    drop(policy_at("http://127.0.0.1:1/v1", &policy_settings()));
    reqwest::Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .build()
        .unwrap()
}

pub(crate) async fn post(url: &str, body: &Value) -> Answered {
    let request = client()
        .post(url)
        .header("authorization", "Bearer app-secret");
    let response = request.body(body.to_string()).send().await.unwrap();
    let status = response.status().as_u16();
    let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null);
    Answered { status, body }
}

/// An app's call through a lease.
pub(crate) async fn call(lease: &Lease, user: &str) -> Answered {
    post(&completions_url(lease.inference_url()), &body(user)).await
}
