//! Replies that are not quite chat completions.

use gepa_evaluation::{LanguageModel, ModelError, ModelErrorKind, Purpose};
use gepa_models::ModelSettings;
use gepa_testing::{Fault, FaultPlan, ModelServer};
use serde_json::{Value, json};

use crate::support::{connect, echoing, request, settings};

const USAGE: &str = r#""usage": {"prompt_tokens": 10, "completion_tokens": 5}"#;

fn around(content: &str) -> String {
    format!(
        r#"{{"choices": [{{"message": {{"content": {content}}}, "finish_reason": "stop"}}], {USAGE}}}"#
    )
}

async fn server(body: impl Into<Vec<u8>>) -> ModelServer {
    echoing(FaultPlan::none().from(0, Fault::body(body))).await
}

async fn check_read(body: Vec<u8>, text: &str) {
    let shown = String::from_utf8_lossy(&body).into_owned();
    let server = server(body).await;
    let model = connect(&server, &settings());
    let completion = model.complete(request("hi")).await.unwrap();
    assert_eq!(completion.text, text, "{shown}");
    let usage = completion.usage;
    assert_eq!(
        (usage.prompt_tokens, usage.completion_tokens),
        (10, 5),
        "{shown}"
    );
    // A proxy hands on JSON that anybody reads.
    let chat = json!({"model": "m", "messages": []});
    let reply = model.forward(&chat, Purpose::Rollout).await.unwrap();
    let strict: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(strict, reply.json);
}

#[tokio::test]
async fn what_other_clients_read_is_read() {
    let plain = around(r#""pos""#);
    check_read(format!("\u{feff}{plain}").into_bytes(), "pos").await;
    check_read(format!("\n\n  \n{plain}").into_bytes(), "pos").await;
    check_read(
        plain
            .replace("\"choices\"", "\"p\": [-Infinity, NaN], \"choices\"")
            .into_bytes(),
        "pos",
    )
    .await;
    check_read(around("\"two\nlines\"").into_bytes(), "two\nlines").await;
    check_read(around(r#""half \ud83d""#).into_bytes(), "half \u{fffd}").await;
    let latin: Vec<u8> = around("\"caf#\"")
        .bytes()
        .map(|b| if b == b'#' { 0xE9 } else { b })
        .collect();
    check_read(latin, "caf\u{fffd}").await;
    let stream = format!(
        "data: {{\"choices\": [{{\"delta\": {{\"content\": \"pos\"}}}}]}}\n\n\
         data: {{\"choices\": [{{\"delta\": {{}}, \"finish_reason\": \"stop\"}}], {USAGE}}}\n\n\
         data: [DONE]\n\n"
    );
    check_read(stream.into_bytes(), "pos").await;
}

#[tokio::test]
async fn an_error_member_that_says_nothing_is_passed_over() {
    for error in [r#""""#, "{}", "false", "null"] {
        let body = around(r#""pos""#).replacen('{', &format!(r#"{{"error": {error}, "#), 1);
        check_read(body.into_bytes(), "pos").await;
    }
}

async fn failed(body: &str, settings: &ModelSettings) -> ModelError {
    let server = server(body).await;
    connect(&server, settings)
        .complete(request("hi"))
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_reply_without_an_answer_is_paid_for_once_and_says_why() {
    let cut_off = around("null").replace("\"stop\"", "\"length\"").replace(
        "\"content\": null",
        "\"content\": null, \"reasoning_content\": \"hm\"",
    );
    let absent = around("null").replace("\"content\": null", "");
    for (body, kind, word) in [
        (&cut_off, ModelErrorKind::Permanent, "raise `max_tokens`"),
        (&absent, ModelErrorKind::Transient, "no text"),
    ] {
        let error = failed(body, &settings()).await;
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(word), "{error}");
        let usage = error.usage;
        assert_eq!(
            (usage.calls, usage.prompt_tokens, usage.completion_tokens),
            (1, 10, 5)
        );
        assert_eq!(usage.cost.0, 10 + 2 * 5, "{error}");
    }
}

#[tokio::test]
async fn an_error_in_a_choice_is_a_failure_of_whoever_serves_the_model() {
    let error = r#""stop", "error": {"code": 502, "message": "Upstream provider failed"}"#;
    let free = r#""usage": null"#;
    let body = around(r#""""#)
        .replace(r#""stop""#, error)
        .replace(USAGE, free);
    let error = failed(&body, &settings()).await;
    assert_eq!(error.kind, ModelErrorKind::Transient, "{error}");
    assert!(
        error.message.contains("Upstream provider failed"),
        "{error}"
    );
    assert_eq!((error.usage.calls, error.usage.total_tokens()), (4, 0));
}

#[tokio::test]
async fn a_reply_that_cannot_be_read_is_counted_by_what_it_says_it_cost() {
    let body = around("oops");
    let at = body.find("oops").unwrap();
    let error = failed(&body, &settings()).await;
    assert_eq!(error.kind, ModelErrorKind::Transient, "{error}");
    for words in [
        format!("at byte {at} of"),
        "15 tokens, $0.000020".to_owned(),
    ] {
        assert!(error.message.contains(&words), "{error}");
    }
    assert_eq!(
        (
            error.usage.calls,
            error.usage.total_tokens(),
            error.usage.cost.0
        ),
        (1, 15, 20)
    );
}

#[tokio::test]
async fn reasoning_is_handed_over_apart_from_the_answer() {
    let parts = r#"[{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "pos"}]"#;
    for content in [parts, r#""pos", "reasoning_content": "hm""#] {
        let server = server(around(content)).await;
        let completion = connect(&server, &settings())
            .complete(request("hi"))
            .await
            .unwrap();
        assert_eq!(completion.text, "pos", "{content}");
        assert_eq!(completion.reasoning.as_deref(), Some("hm"), "{content}");
    }
}

#[tokio::test]
async fn what_a_gateway_bills_wins_over_every_price() {
    let billed = USAGE.replace('}', r#", "cost": 0.0123}"#);
    let server = server(around(r#""pos""#).replace(USAGE, &billed)).await;
    let completion = connect(&server, &settings())
        .complete(request("hi"))
        .await
        .unwrap();
    assert_eq!(completion.usage.cost.0, 12_300);
    assert_eq!(completion.usage.unpriced_calls, 0);
}
