//! Trouble with the account: it counts as no failed call, and another attempt would not help.

use gepa_evaluation::{LanguageModel, ModelError, ModelErrorKind};
use gepa_testing::{Fault, FaultPlan};
use serde_json::{Value, json};

use crate::support::{connect, echoing, request, settings};

fn answer(status: u16, body: &Value) -> Fault {
    Fault::Raw {
        status,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    }
}

fn error(code: &str, message: &str) -> Value {
    json!({"error": {"message": message, "type": code, "code": code}})
}

/// The error of a call that meets `fault` after `before` calls were served.
async fn end(fault: Fault, before: u64) -> ModelError {
    let server = echoing(FaultPlan::none().from(before, fault)).await;
    let model = connect(&server, &settings());
    for _ in 0..before {
        model.complete(request("fine")).await.unwrap();
    }
    let error = model.complete(request("now?")).await.unwrap_err();
    assert_eq!(
        server.ledger().calls_received,
        before + 1,
        "tried once: {error}"
    );
    error
}

#[tokio::test]
async fn an_account_without_money_pauses_the_run() {
    let daily = json!([{"error": {
        "code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota.",
        "details": [
            {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},
            {"retryDelay": "2s"},
        ],
    }}]);
    let low = json!({"type": "error", "error": {
        "type": "invalid_request_error",
        "message": "Your credit balance is too low to access the API.",
    }});
    for (status, body, word) in [
        (402, error("x", "Insufficient credits"), "top up"),
        (
            429,
            error("insufficient_quota", "You exceeded your quota"),
            "top up",
        ),
        (403, error("billing_not_active", "No billing"), "top up"),
        (400, low, "credit balance is too low"),
        (429, daily, "PerDay"),
    ] {
        for before in [0, 2] {
            let error = end(answer(status, &body), before).await;
            assert_eq!(error.kind, ModelErrorKind::Account, "{error}");
            assert!(error.kind.is_outage());
            assert!(error.message.contains(word), "{error}");
            assert!(error.message.contains("resume"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_key_that_was_good_before_is_trouble_with_the_account() {
    let refused = answer(401, &error("invalid_api_key", "Invalid API key"));
    let first = end(refused.clone(), 0).await;
    assert_eq!(first.kind, ModelErrorKind::KeyRejected, "{first}");
    let later = end(refused, 3).await;
    assert_eq!(later.kind, ModelErrorKind::Account, "{later}");
    assert!(
        later.message.contains("GROQ_API_KEY was accepted before"),
        "{later}"
    );
}

#[tokio::test]
async fn a_quota_that_is_renewed_soon_is_waited_for() {
    let soon = json!([{"error": {
        "code": 429, "message": "Resource has been exhausted.",
        "details": [{"retryDelay": "0.01s"}],
    }}]);
    let words = error("rate_limit_exceeded", "Limit 30. Please try again in 10ms.");
    for body in [soon, words] {
        let server = echoing(FaultPlan::none().at(0, answer(429, &body))).await;
        let completion = connect(&server, &settings()).complete(request("hi")).await;
        assert_eq!(completion.unwrap().usage.calls, 2);
    }
}

#[tokio::test]
async fn a_pause_in_the_body_counts_like_one_in_a_header() {
    let hours = error("rate_limit_exceeded", "Please try again in 1h30m0s.");
    let error = end(answer(429, &hours), 0).await;
    assert_eq!(error.kind, ModelErrorKind::ProviderDown, "{error}");
    assert!(
        error.message.contains("5399") || error.message.contains("5400"),
        "{error}"
    );
}
