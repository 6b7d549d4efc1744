//! The text and the usage that are read from completions.

use gepa_evaluation::{FinishReason, LanguageModel, Purpose};
use gepa_models::ModelSettings;
use gepa_testing::{Fault, FaultPlan, ModelReply, ModelServer, ReportedUsage};
use indexmap::IndexMap;
use serde_json::json;

use crate::support::{check_books, connect, echoing, models, request, settings};

async fn check_finish(fault: Fault, finish: FinishReason, text: &str) {
    let server = echoing(FaultPlan::none().from(0, fault.clone())).await;
    let completion = connect(&server, &settings())
        .complete(request("say it"))
        .await
        .unwrap();
    assert_eq!(completion.finish_reason, finish, "{fault:?}");
    assert_eq!(completion.text, text, "{fault:?}");
    assert_eq!(completion.usage.calls, 1, "{fault:?}");
    assert!(completion.usage.prompt_tokens > 0, "{fault:?}");
    check_books(&server, completion.usage);
}

#[tokio::test]
async fn every_end_of_a_completion_is_told_apart() {
    check_finish(Fault::WrongContentType, FinishReason::Stop, "say it").await;
    check_finish(Fault::Length, FinishReason::Length, "say it").await;
    check_finish(Fault::Refusal, FinishReason::Refusal, "").await;
    check_finish(Fault::ContentFilter, FinishReason::Refusal, "").await;
    check_finish(Fault::ToolCalls, FinishReason::ToolCalls, "").await;
}

#[tokio::test]
async fn tool_calls_are_handed_on_as_they_came() {
    let server = echoing(FaultPlan::none().from(0, Fault::ToolCalls)).await;
    let completion = connect(&server, &settings())
        .complete(request("go"))
        .await
        .unwrap();
    let arguments = completion.tool_calls[0].pointer("/function/arguments");
    assert_eq!(arguments, Some(&json!("{\"value\":1}")));
}

#[tokio::test]
async fn reported_tokens_are_counted_and_priced() {
    let server = ModelServer::answering(|_| ModelReply {
        usage: Some(ReportedUsage {
            prompt_tokens: 1_000,
            completion_tokens: 10,
            cached_tokens: 600,
        }),
        ..ModelReply::text("ok")
    });
    let server = server.start().await.unwrap();
    let usage = connect(&server, &settings())
        .complete(request("hi"))
        .await
        .unwrap()
        .usage;
    assert_eq!(usage.cost.0, 400 + 600 / 4 + 10 * 2);
    assert_eq!((usage.unknown_tokens, usage.unpriced_calls), (0, 0));
    check_books(&server, usage);
}

#[tokio::test]
async fn missing_usage_is_estimated_and_kept_apart() {
    let server = echoing(FaultPlan::none().from(0, Fault::MissingUsage)).await;
    let usage = connect(&server, &settings())
        .complete(request("twelve chars"))
        .await
        .unwrap()
        .usage;
    // "Repeat." and "twelve chars" are 19 characters, the echo is 12.
    assert_eq!(usage.unknown_tokens, 5 + 3);
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (0, 0));
    // The price is known, so that the estimate has a cost and a limit in dollars holds.
    assert_eq!((usage.cost.0, usage.unpriced_calls), (5 + 3 * 2, 0));
    check_books(&server, usage);
}

#[tokio::test]
async fn a_reply_that_reports_only_a_sum_costs_as_much_as_it_can() {
    let body = json!({
        "choices": [{"message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
        "usage": {"total_tokens": 1_000},
    });
    let reply = Fault::Raw {
        status: 200,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    };
    let server = echoing(FaultPlan::none().from(0, reply)).await;
    for (max_tokens, micro_dollars) in [(64, 936 + 64 * 2), (5_000, 1_000 * 2)] {
        let settings = ModelSettings {
            max_tokens: Some(max_tokens),
            ..settings()
        };
        let completion = connect(&server, &settings).complete(request("hi")).await;
        let usage = completion.unwrap().usage;
        assert_eq!(usage.unknown_tokens, 1_000);
        assert_eq!((usage.cost.0, usage.unpriced_calls), (micro_dollars, 0));
    }
}

#[tokio::test]
async fn an_unknown_price_is_said_and_a_local_model_is_free() {
    let server = echoing(FaultPlan::none()).await;
    for (provider, unpriced) in [("groq", 1), ("ollama", 0), ("vllm", 0)] {
        let settings = ModelSettings {
            base_url: Some(server.base_url()),
            ..ModelSettings::new(provider, "unheard-of")
        };
        let model = models(&server)
            .connect(&settings, &IndexMap::new(), &[])
            .unwrap();
        let usage = model.complete(request("hi")).await.unwrap().usage;
        assert_eq!(
            (usage.cost.0, usage.unpriced_calls),
            (0, unpriced),
            "{provider}"
        );
    }
}

#[tokio::test]
async fn replies_in_chunks_are_read_whole() {
    let server = ModelServer::echoing().chunked().start().await.unwrap();
    let long = "na ".repeat(10_000);
    let completion = connect(&server, &settings())
        .complete(request(&long))
        .await
        .unwrap();
    assert_eq!(completion.text, long);
    check_books(&server, completion.usage);
}

#[tokio::test]
async fn a_raw_request_goes_out_as_it_is_and_comes_back_byte_for_byte() {
    let server = echoing(FaultPlan::none().at(0, Fault::status(500))).await;
    let model = connect(&server, &settings());
    let body = json!({
        "model": "another-model",
        "messages": [{"role": "user", "content": "raw"}],
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "tool_choice": "required",
    });
    let reply = model.forward(&body, Purpose::Rollout).await.unwrap();
    let parsed: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(parsed, reply.json);
    assert_eq!(
        reply.json.pointer("/choices/0/message/content"),
        Some(&json!("raw"))
    );
    assert_eq!(reply.usage.calls, 2);
    assert_eq!(server.ledger().recent[1].body, body);
    check_books(&server, reply.usage);
}

#[tokio::test]
async fn a_raw_failure_keeps_the_status_and_the_body_of_the_provider() {
    let server = echoing(FaultPlan::none().from(0, Fault::status(404))).await;
    let model = connect(&server, &settings());
    let body = json!({"model": "m", "messages": []});
    let failure = model.forward(&body, Purpose::Rollout).await.unwrap_err();
    assert_eq!(failure.status, Some(404));
    assert!(
        failure.body.contains("injected status 404"),
        "{}",
        failure.body
    );
    let streamed = json!({"model": "m", "messages": [], "stream": true});
    let refused = model
        .forward(&streamed, Purpose::Rollout)
        .await
        .unwrap_err();
    assert_eq!(refused.error.usage.calls, 0);
    assert!(refused.error.message.contains("stream"), "{refused}");
}

#[tokio::test]
async fn no_call_exceeds_its_bound() {
    let server = ModelServer::answering(|call| {
        // One token a byte, and as many completion tokens as allowed.
        let bytes = call.message(0).len() + call.message(1).len();
        ModelReply::text("done").reporting(bytes as u64, 64)
    });
    let server = server.start().await.unwrap();
    let model = connect(&server, &settings());
    for text in ["", "short", &"日本語".repeat(500)] {
        let chat = request(text);
        let bound = model.usage_bound(&chat.messages).unwrap();
        let usage = model.complete(chat).await.unwrap().usage;
        assert!(usage.total_tokens() <= bound.tokens, "{usage:?} {bound:?}");
        assert!(usage.cost <= bound.cost, "{usage:?} {bound:?}");
    }
}
