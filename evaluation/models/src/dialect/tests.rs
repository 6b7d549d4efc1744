//! Requests and replies as the providers document them, dialect by dialect.

use serde_json::json;

use super::*;
use crate::reply::{Counted, Reply, ReportedTokens};
use gepa_evaluation::FinishReason;

const NATIVE: [Dialect; 4] = [
    Dialect::Anthropic,
    Dialect::Gemini,
    Dialect::Bedrock,
    Dialect::Responses,
];

fn chat() -> Value {
    json!({
        "model": "some-model",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "1"},
            {"role": "user", "content": [{"type": "text", "text": "Two?"}]},
        ],
        "temperature": 0.5,
        "max_tokens": 64,
        "top_k": 3,
    })
}

fn check_reply(dialect: Dialect, reply: &Value, text: &str, reasoning: &str, end: &FinishReason) {
    let body = reply.to_string().into_bytes();
    let reply = Reply::parse_as(body, dialect).unwrap();
    let said = reply.said();
    assert_eq!(
        (said.text.as_str(), said.reasoning.as_str()),
        (text, reasoning)
    );
    assert_eq!(&reply.finish_reason(), end);
    assert!(
        !reply.is_as_sent,
        "an app that asked in chat completions is answered in them"
    );
    let counted = Counted {
        prompt: 100,
        completion: 20,
        cached: 60,
        cache_written: reply.json["usage"]["cache_creation_input_tokens"]
            .as_u64()
            .unwrap(),
    };
    assert_eq!(reply.reported().tokens, ReportedTokens::Counted(counted));
}

#[test]
fn a_reply_of_tool_calls_alone_is_the_same_in_every_protocol() {
    let arguments = json!({"city": "Paris"});
    let call = |id: Option<&str>| {
        let function = json!({"name": "weather", "arguments": arguments.to_string()});
        let mut call = json!({"type": "function", "function": function});
        if let Some(id) = id {
            call["id"] = json!(id);
        }
        call
    };
    let chat = |message: Value, finish: &str| json!({"choices": [{"message": message, "finish_reason": finish}]});
    for (dialect, reply, id) in [
        (
            Dialect::ChatCompletions,
            chat(
                json!({"content": null, "tool_calls": [call(Some("1"))]}),
                "tool_calls",
            ),
            Some("1"),
        ),
        (
            Dialect::ChatCompletions,
            chat(
                json!({"content": null, "function_call": {"name": "weather", "arguments": arguments.to_string()}}),
                "function_call",
            ),
            None,
        ),
        (
            Dialect::Anthropic,
            json!({
                "content": [{"type": "tool_use", "id": "1", "name": "weather", "input": arguments}],
                "stop_reason": "tool_use",
            }),
            Some("1"),
        ),
        (
            Dialect::Gemini,
            json!({"candidates": [{
                "content": {"parts": [{"functionCall": {"name": "weather", "args": arguments}}]},
                "finishReason": "STOP",
            }]}),
            None,
        ),
        (
            Dialect::Bedrock,
            json!({
                "output": {"message": {"content": [
                    {"toolUse": {"toolUseId": "1", "name": "weather", "input": arguments}},
                ]}},
                "stopReason": "tool_use",
            }),
            Some("1"),
        ),
        (
            Dialect::Responses,
            json!({"status": "completed", "output": [{
                "type": "function_call", "call_id": "1", "name": "weather",
                "arguments": arguments.to_string(),
            }]}),
            Some("1"),
        ),
    ] {
        let reply = Reply::parse_as(reply.to_string().into_bytes(), dialect).unwrap();
        assert_eq!(reply.tool_calls(), [call(id)], "{dialect:?}");
        assert_eq!(
            reply.finish_reason(),
            FinishReason::ToolCalls,
            "{dialect:?}"
        );
        assert_eq!(reply.said().text, "", "{dialect:?}");
    }
}

#[test]
fn anthropic_messages() {
    assert_eq!(
        Dialect::Anthropic.request(&chat()).unwrap(),
        json!({
            "model": "some-model",
            "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": "One?"},
                {"role": "assistant", "content": "1"},
                {"role": "user", "content": "Two?"},
            ],
            "temperature": 0.5,
            "max_tokens": 64,
            "top_k": 3,
        })
    );
    let mut unlimited = chat();
    unlimited
        .as_object_mut()
        .unwrap()
        .shift_remove("max_tokens");
    let request = Dialect::Anthropic.request(&unlimited).unwrap();
    assert_eq!(request["max_tokens"], 4_096, "it cannot be left out there");
    let reply = |stop: &str| {
        json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "some-model",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "x"},
                {"type": "text", "text": "2"},
            ],
            "stop_reason": stop, "stop_sequence": null,
            "usage": {
                "input_tokens": 10, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 30,
                "output_tokens": 20,
            },
        })
    };
    check_reply(
        Dialect::Anthropic,
        &reply("end_turn"),
        "2",
        "hm",
        &FinishReason::Stop,
    );
    check_reply(
        Dialect::Anthropic,
        &reply("max_tokens"),
        "2",
        "hm",
        &FinishReason::Length,
    );
    check_reply(
        Dialect::Anthropic,
        &reply("refusal"),
        "2",
        "hm",
        &FinishReason::Refusal,
    );
}

#[test]
fn a_native_reply_that_says_nothing_keeps_what_it_cost() {
    let gemini = json!({
        "candidates": [],
        "usageMetadata": {"promptTokenCount": 12, "candidatesTokenCount": 3, "totalTokenCount": 15},
    });
    let bedrock = json!({"output": {}, "usage": {"inputTokens": 12, "outputTokens": 3}});
    let anthropic = json!({"usage": {"input_tokens": 12, "output_tokens": 3}});
    let responses = json!({"status": "failed", "usage": {"input_tokens": 12, "output_tokens": 3}});
    for (dialect, body) in [
        (Dialect::Gemini, gemini),
        (Dialect::Bedrock, bedrock),
        (Dialect::Anthropic, anthropic),
        (Dialect::Responses, responses),
    ] {
        let unreadable = Reply::parse_as(body.to_string().into_bytes(), dialect).unwrap_err();
        let counted = Counted {
            prompt: 12,
            completion: 3,
            ..Counted::default()
        };
        assert_eq!(
            unreadable.reported.tokens,
            ReportedTokens::Counted(counted),
            "{dialect:?}"
        );
    }
}

#[test]
fn gemini_generate_content() {
    assert_eq!(
        Dialect::Gemini.request(&chat()).unwrap(),
        json!({
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "One?"}]},
                {"role": "model", "parts": [{"text": "1"}]},
                {"role": "user", "parts": [{"text": "Two?"}]},
            ],
            "generationConfig": {"temperature": 0.5, "maxOutputTokens": 64},
            "top_k": 3,
        })
    );
    let mut thinking = chat();
    thinking["generationConfig"] = json!({"thinkingConfig": {"thinkingBudget": 0}});
    let config = &Dialect::Gemini.request(&thinking).unwrap()["generationConfig"];
    assert_eq!(
        config["maxOutputTokens"], 64,
        "settings of both sides are kept: {config}"
    );
    assert_eq!(config["thinkingConfig"]["thinkingBudget"], 0);
    let reply = |end: &str| {
        json!({
            "candidates": [{
                "content": {"role": "model", "parts": [{"text": "hm", "thought": true}, {"text": "2"}]},
                "finishReason": end, "index": 0,
            }],
            "usageMetadata": {
                "promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 5,
                "thoughtsTokenCount": 15, "totalTokenCount": 120,
            },
        })
    };
    check_reply(
        Dialect::Gemini,
        &reply("STOP"),
        "2",
        "hm",
        &FinishReason::Stop,
    );
    check_reply(
        Dialect::Gemini,
        &reply("MAX_TOKENS"),
        "2",
        "hm",
        &FinishReason::Length,
    );
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}});
    let refused = Reply::parse_as(blocked.to_string().into_bytes(), Dialect::Gemini).unwrap();
    assert_eq!(refused.finish_reason(), FinishReason::Refusal);
}

#[test]
fn bedrock_converse() {
    assert_eq!(
        Dialect::Bedrock.request(&chat()).unwrap(),
        json!({
            "system": [{"text": "Be brief."}],
            "messages": [
                {"role": "user", "content": [{"text": "One?"}]},
                {"role": "assistant", "content": [{"text": "1"}]},
                {"role": "user", "content": [{"text": "Two?"}]},
            ],
            "inferenceConfig": {"temperature": 0.5, "maxTokens": 64},
            "top_k": 3,
        })
    );
    let reply = |stop: &str| {
        json!({
            "output": {"message": {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm"}}},
                {"text": "2"},
            ]}},
            "stopReason": stop,
            "usage": {
                "inputTokens": 40, "outputTokens": 20, "totalTokens": 120,
                "cacheReadInputTokens": 60, "cacheWriteInputTokens": 0,
            },
            "metrics": {"latencyMs": 12},
        })
    };
    check_reply(
        Dialect::Bedrock,
        &reply("end_turn"),
        "2",
        "hm",
        &FinishReason::Stop,
    );
    let blocked = reply("guardrail_intervened");
    check_reply(
        Dialect::Bedrock,
        &blocked,
        "2",
        "hm",
        &FinishReason::Refusal,
    );
    let path = Dialect::Bedrock.path("anthropic.claude-haiku-4-5-v1:0", None);
    assert_eq!(path, "/model/anthropic.claude-haiku-4-5-v1%3A0/converse");
}

#[test]
fn bedrock_marks_the_system_prompt_for_the_cache_where_the_model_takes_marks() {
    let system = |model: &str| {
        let mut chat = chat();
        chat["model"] = json!(model);
        Dialect::Bedrock.request(&chat).unwrap()["system"].clone()
    };
    let marked = json!([{"text": "Be brief."}, {"cachePoint": {"type": "default"}}]);
    for model in [
        "anthropic.claude-haiku-4-5-20251001-v1:0",
        "eu.anthropic.claude-sonnet-4-20250514-v1:0",
        "anthropic.claude-3-7-sonnet-20250219-v1:0",
        "arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-pro-v1:0",
    ] {
        assert_eq!(system(model), marked, "{model}");
    }
    let plain = json!([{"text": "Be brief."}]);
    let long = "fixed ".repeat(1_000);
    let parts = json!([
        {"type": "text", "text": long, "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "rest"},
    ]);
    let content = |model: &str| {
        let chat = json!({"model": model, "messages": [{"role": "user", "content": parts}]});
        Dialect::Bedrock.request(&chat).unwrap()["messages"][0]["content"].clone()
    };
    let point = json!({"cachePoint": {"type": "default"}});
    assert_eq!(
        content("anthropic.claude-haiku-4-5-20251001-v1:0"),
        json!([{"text": long}, point, {"text": "rest"}])
    );
    let whole = json!([{"text": format!("{long}rest")}]);
    assert_eq!(content("anthropic.claude-v2:1"), whole);
    for model in [
        "anthropic.claude-3-haiku-20240307-v1:0",
        "anthropic.claude-3-5-sonnet-20240620-v1:0",
        "anthropic.claude-v2:1",
        "meta.llama3-3-70b-instruct-v1:0",
        "amazon.titan-text-express-v1",
    ] {
        assert_eq!(system(model), plain, "{model}");
    }
}

#[test]
fn openai_responses() {
    assert_eq!(
        Dialect::Responses.request(&chat()).unwrap(),
        json!({
            "model": "some-model",
            "input": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "One?"},
                {"role": "assistant", "content": "1"},
                {"role": "user", "content": "Two?"},
            ],
            "temperature": 0.5,
            "max_output_tokens": 64,
            "store": false,
            "top_k": 3,
        })
    );
    let reply = |status: &str, incomplete: &Value| {
        json!({
            "id": "resp_1", "object": "response", "status": status, "error": null,
            "incomplete_details": incomplete,
            "output": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "2"}]},
            ],
            "usage": {
                "input_tokens": 100, "input_tokens_details": {"cached_tokens": 60},
                "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 15},
                "total_tokens": 120,
            },
        })
    };
    let whole = reply("completed", &Value::Null);
    check_reply(Dialect::Responses, &whole, "2", "hm", &FinishReason::Stop);
    let cut = reply("incomplete", &json!({"reason": "max_output_tokens"}));
    check_reply(Dialect::Responses, &cut, "2", "hm", &FinishReason::Length);
    let mut failed = reply("failed", &Value::Null);
    failed["error"] = json!({"code": "server_error", "message": "gone"});
    assert!(Reply::parse_as(failed.to_string().into_bytes(), Dialect::Responses).is_err());
}

#[test]
fn azure_names_the_deployment_in_the_address() {
    assert_eq!(Dialect::Azure.request(&chat()).unwrap(), chat());
    assert_eq!(
        Dialect::Azure.path("my deployment", None),
        "/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21"
    );
    assert!(
        Dialect::Azure
            .path("d", Some("2025-01-01-preview"))
            .ends_with("=2025-01-01-preview")
    );
}

#[test]
fn what_a_dialect_cannot_carry_is_refused_and_not_dropped() {
    for dialect in NATIVE {
        let mut with_tools = chat();
        with_tools["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
        let refused = dialect.request(&with_tools).unwrap_err();
        assert!(
            refused.contains("`tools`") && refused.contains(dialect.as_str()),
            "{refused}"
        );
        let mut with_results = chat();
        with_results["messages"][1]["role"] = json!("tool");
        assert!(
            dialect
                .request(&with_results)
                .unwrap_err()
                .contains("`tool`")
        );
    }
}

#[test]
fn a_prompt_that_is_all_system_is_asked_as_a_question() {
    let only = json!({"model": "m", "messages": [{"role": "system", "content": "Say hi."}]});
    let request = Dialect::Anthropic.request(&only).unwrap();
    assert_eq!(
        request["messages"],
        json!([{"role": "user", "content": "Say hi."}])
    );
    assert_eq!(request.get("system"), None);
}

#[test]
fn errors_and_nonsense_in_place_of_a_native_reply_are_no_answers() {
    for dialect in NATIVE {
        for body in [
            json!({"error": {"message": "oops"}}),
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
            json!({}),
            json!([]),
            json!({"content": [], "output": [], "candidates": [{}]}),
        ] {
            let parsed = Reply::parse_as(body.to_string().into_bytes(), dialect);
            assert!(parsed.is_err(), "{dialect:?}: {body}");
        }
    }
}
