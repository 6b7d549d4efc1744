//! Providers in their own protocols, over the wire.

use std::sync::Arc;

use gepa_evaluation::{ChatRequest, LanguageModel, Message, ModelErrorKind, Purpose};
use gepa_models::{
    ChatModel, Dialect, Environment, ModelSettings, Models, ProviderSettings, Spending,
};
use gepa_testing::{Fault, FaultPlan, ModelServer};
use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::support::{KEY, echoing, fast, request};

async fn replying(body: &Value) -> ModelServer {
    echoing(FaultPlan::none().from(0, Fault::body(body.to_string()))).await
}

fn connected(server: &ModelServer, provider: &str, dialect: Option<Dialect>) -> Arc<ChatModel> {
    let origin = server.base_url().replace("/v1", "");
    let environment = Environment::of([
        ("ANTHROPIC_API_KEY", KEY),
        ("ANTHROPIC_API_BASE", origin.as_str()),
        ("AZURE_OPENAI_API_KEY", KEY),
        ("AZURE_OPENAI_ENDPOINT", origin.as_str()),
        ("BEDROCK_API_BASE", origin.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", KEY),
        ("AWS_REGION", "eu-central-1"),
        ("GEMINI_API_KEY", KEY),
        ("GEMINI_API_BASE", origin.as_str()),
    ]);
    let settings = ModelSettings {
        max_tokens: Some(64),
        dialect,
        ..ModelSettings::new(provider, "claude-haiku-4-5")
    };
    let providers: IndexMap<String, ProviderSettings> = IndexMap::new();
    let models = Models::with_timing(environment, fast());
    models.connect(&settings, &providers, &[]).unwrap()
}

fn anthropic_reply() -> Value {
    json!({
        "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn",
        "usage": {
            "input_tokens": 100, "output_tokens": 10,
            "cache_read_input_tokens": 1_000, "cache_creation_input_tokens": 200,
        },
    })
}

#[tokio::test]
async fn anthropic_is_asked_in_messages_and_its_cache_is_priced() {
    let server = replying(&anthropic_reply()).await;
    let model = connected(&server, "anthropic", None);
    let completion = model.complete(request("hello")).await.unwrap();
    assert_eq!(completion.text, "hi");
    let usage = completion.usage;
    assert_eq!((usage.prompt_tokens, usage.cached_tokens), (1_300, 1_000));
    // A dollar a million read anew, a tenth of it from the cache, a quarter more into it.
    assert_eq!(usage.cost.0, 100 + 100 + 250 + 50);
    let call = &server.ledger().recent[0];
    assert_eq!(call.path, "/v1/messages");
    assert_eq!(call.header("x-api-key"), Some(KEY));
    assert_eq!(call.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(call.header("authorization"), None);
    assert_eq!(call.body["system"][0]["cache_control"]["type"], "ephemeral");
}

#[tokio::test]
async fn a_long_beginning_that_calls_share_is_marked_for_the_cache() {
    let server = replying(&anthropic_reply()).await;
    let model = connected(&server, "anthropic", None);
    let fixed = "Everything about the task. ".repeat(200);
    for (prefix, parts) in [(fixed.len(), 2), (100, 0), (0, 0)] {
        let mut message = Message::new("user", format!("{fixed}These examples: 1, 2."));
        message.shared_prefix = prefix;
        let messages = vec![message];
        let purpose = Purpose::Reflection;
        model
            .complete(ChatRequest { messages, purpose })
            .await
            .unwrap();
        let ledger = server.ledger();
        let content = &ledger.recent.last().unwrap().body["messages"][0]["content"];
        assert_eq!(content.as_array().map_or(0, Vec::len), parts, "{prefix}");
        if parts > 0 {
            assert_eq!(content[0]["text"], fixed);
            assert_eq!(content[0]["cache_control"]["type"], "ephemeral");
            assert_eq!(
                content[1],
                json!({"type": "text", "text": "These examples: 1, 2."})
            );
        }
    }
}

#[tokio::test]
async fn an_app_that_asks_in_chat_completions_is_answered_in_them() {
    let server = replying(&anthropic_reply()).await;
    let model = connected(&server, "anthropic", None);
    let chat = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
    let reply = model.forward(&chat, Purpose::Rollout).await.unwrap();
    let body: Value = serde_json::from_slice(&reply.body_with_usage()).unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], "hi");
    assert_eq!(body["usage"]["prompt_tokens"], 1_300);
    let spending = Arc::new(Spending::default());
    let streamed = model
        .forward_streamed(&chat, Purpose::Rollout, spending)
        .await;
    let error = streamed.unwrap_err().error;
    assert_eq!(error.kind, ModelErrorKind::Permanent);
    assert!(error.message.contains("chat completions only"), "{error}");
}

#[tokio::test]
async fn azure_is_asked_under_the_name_of_the_deployment() {
    let reply = json!({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]});
    let server = replying(&reply).await;
    let model = connected(&server, "azure", None);
    assert_eq!(model.complete(request("hello")).await.unwrap().text, "hi");
    let call = &server.ledger().recent[0];
    let path = "/openai/deployments/claude-haiku-4-5/chat/completions?api-version=2024-10-21";
    assert_eq!(call.path, path);
    assert_eq!(call.header("api-key"), Some(KEY));
    assert_eq!(call.header("authorization"), None);
}

#[tokio::test]
async fn bedrock_is_asked_with_a_signature() {
    let reply = json!({
        "output": {"message": {"content": [{"text": "hi"}]}}, "stopReason": "end_turn",
        "usage": {"inputTokens": 10, "outputTokens": 5},
    });
    let server = replying(&reply).await;
    let model = connected(&server, "bedrock", None);
    let completion = model.complete(request("hello")).await.unwrap();
    assert_eq!(
        (completion.text.as_str(), completion.usage.prompt_tokens),
        ("hi", 10)
    );
    let call = &server.ledger().recent[0];
    assert_eq!(call.path, "/model/claude-haiku-4-5/converse");
    let authorization = call.header("authorization").unwrap();
    assert!(
        authorization.contains("/eu-central-1/bedrock/aws4_request"),
        "{authorization}"
    );
    assert!(call.header("x-amz-date").is_some());
    assert!(!format!("{model:?}").contains(KEY));
}

#[tokio::test]
async fn gemini_speaks_its_own_protocol_where_that_is_asked_for() {
    let reply = json!({
        "candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5},
    });
    let server = replying(&reply).await;
    let model = connected(&server, "gemini", Some(Dialect::Gemini));
    assert_eq!(model.complete(request("hello")).await.unwrap().text, "hi");
    let call = &server.ledger().recent[0];
    assert_eq!(call.path, "/v1beta/models/claude-haiku-4-5:generateContent");
    assert_eq!(call.header("x-goog-api-key"), Some(KEY));
}

#[tokio::test]
async fn an_error_of_a_native_provider_is_read_like_any_other() {
    let body =
        json!({"type": "error", "error": {"type": "not_found_error", "message": "model: nope"}});
    let fault = Fault::Raw {
        status: 404,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    };
    let server = echoing(FaultPlan::none().from(0, fault)).await;
    let error = connected(&server, "anthropic", None)
        .complete(request("hi"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Permanent);
    assert!(error.message.contains("model: nope"), "{error}");
}
