//! Each fault alone: what the caller gets, what it cost, how often it was tried.

use std::time::Duration;

use gepa_evaluation::{LanguageModel, ModelErrorKind};
use gepa_models::ModelSettings;
use gepa_testing::{Fault, FaultPlan, RetryAfter};

use crate::support::{check_books, connect, echoing, request, settings, usage_of};

/// With `fault` on the first two calls, the third attempt succeeds.
async fn check_passes(fault: Fault) {
    let server = echoing(FaultPlan::none().first(2, &fault)).await;
    let model = connect(&server, &quick_settings());
    let completion = model.complete(request("still there?")).await.unwrap();
    assert_eq!(completion.text, "still there?", "{fault:?}");
    assert_eq!(completion.usage.calls, 3, "{fault:?}");
    check_books(&server, completion.usage);
}

/// With `fault` on every call, a call fails with this kind and these words after `calls` attempts.
async fn check_ends(fault: Fault, kind: ModelErrorKind, calls: u64, words: &[&str]) {
    let server = echoing(FaultPlan::none().from(0, fault.clone())).await;
    let model = connect(&server, &quick_settings());
    let error = model.complete(request("hello")).await.unwrap_err();
    assert_eq!(error.kind, kind, "{fault:?}: {error}");
    for word in words {
        assert!(error.message.contains(word), "{fault:?}: {error}");
    }
    assert_eq!(error.usage.calls, calls, "{fault:?}");
    if !error.message.contains("it was paid for") {
        let bought = [
            error.usage.total_tokens(),
            error.usage.cost.0,
            error.usage.unpriced_calls,
        ];
        assert_eq!(bought, [0, 0, 0], "{fault:?}");
    }
    assert_eq!(server.ledger().calls_received, calls, "{fault:?}");
}

fn quick_settings() -> ModelSettings {
    ModelSettings {
        timeout_seconds: Some(0.3),
        ..settings()
    }
}

fn rejected(status: u16, code: &str, message: &str) -> Fault {
    Fault::Status {
        status,
        retry_after: None,
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

#[tokio::test]
async fn what_usually_passes_is_tried_again() {
    for status in [408, 409, 425, 429, 500, 502, 503, 504, 529] {
        check_passes(Fault::status(status)).await;
    }
    for fault in [
        Fault::ResetBeforeHeaders,
        Fault::ResetAfterHeaders,
        Fault::TruncatedBody,
        Fault::NoChoices,
        Fault::ErrorObject { code: 502 },
        Fault::status_with_retry_after(429, RetryAfter::Seconds(0)),
        Fault::status_with_retry_after(503, RetryAfter::DateIn(0)),
    ] {
        check_passes(fault).await;
    }
}

#[tokio::test]
async fn what_does_not_pass_ends_transient_after_all_attempts() {
    let transient = ModelErrorKind::Transient;
    check_ends(Fault::status(429), transient, 4, &["429", "attempts: 4"]).await;
    check_ends(
        Fault::status(500),
        transient,
        4,
        &["500", "injected status 500"],
    )
    .await;
    check_ends(Fault::ResetBeforeHeaders, transient, 4, &["groq"]).await;
    check_ends(Fault::TruncatedBody, transient, 4, &["broke off"]).await;
}

#[tokio::test]
async fn unreadable_replies_are_not_bought_again_and_again() {
    let transient = ModelErrorKind::Transient;
    let words = [
        "not valid JSON at byte 25",
        "base URL",
        "paid for all the same: about",
    ];
    check_ends(Fault::InvalidJson, transient, 1, &words).await;
    check_ends(Fault::NoChoices, transient, 3, &["no choices"]).await;
}

#[tokio::test]
async fn silence_ends_as_a_timeout_after_all_attempts() {
    let slow = Fault::SlowFirstByte(Duration::from_hours(1));
    check_ends(slow, ModelErrorKind::Timeout, 4, &["first byte", "0.3 s"]).await;
    check_ends(
        Fault::StalledBody,
        ModelErrorKind::Timeout,
        4,
        &["complete reply"],
    )
    .await;
}

#[tokio::test]
async fn the_first_byte_has_a_limit_of_its_own() {
    let slow = Fault::SlowFirstByte(Duration::from_hours(1));
    let server = echoing(FaultPlan::none().at(0, slow)).await;
    let model = connect(
        &server,
        &ModelSettings {
            first_byte_timeout_seconds: Some(0.1),
            ..settings()
        },
    );
    let completion = model.complete(request("anyone?")).await.unwrap();
    assert_eq!(completion.text, "anyone?");
    assert_eq!(completion.usage.calls, 2);
    check_books(&server, completion.usage);
}

#[tokio::test]
async fn a_late_first_byte_within_the_limit_is_waited_for() {
    let late = Fault::SlowFirstByte(Duration::from_millis(20));
    let server = echoing(FaultPlan::none().from(0, late)).await;
    let completion = connect(&server, &settings())
        .complete(request("late"))
        .await
        .unwrap();
    assert_eq!(completion.usage.calls, 1);
    check_books(&server, completion.usage);
}

#[tokio::test]
async fn what_can_never_work_is_tried_once_and_explained() {
    let permanent = ModelErrorKind::Permanent;
    let context = rejected(
        400,
        "context_length_exceeded",
        "maximum context length is 8192",
    );
    check_ends(
        context,
        permanent,
        1,
        &["400", "maximum context length is 8192"],
    )
    .await;
    let key = rejected(401, "invalid_api_key", "incorrect key");
    let refused = ModelErrorKind::KeyRejected;
    check_ends(key, refused, 1, &["401", "incorrect key", "GROQ_API_KEY"]).await;
    let model = rejected(404, "model_not_found", "no such model");
    check_ends(
        model,
        permanent,
        1,
        &["some-model", "no such model", "127.0.0.1"],
    )
    .await;
    check_ends(Fault::status(413), permanent, 1, &["413"]).await;
    check_ends(Fault::status(422), permanent, 1, &["422"]).await;
    let elsewhere = Fault::Redirect("http://127.0.0.1:9/".to_owned());
    check_ends(
        elsewhere,
        permanent,
        1,
        &["307", "redirects are not followed"],
    )
    .await;
    check_ends(
        Fault::ErrorObject { code: 400 },
        permanent,
        1,
        &["injected error object"],
    )
    .await;
}

#[tokio::test]
async fn content_a_provider_turns_away_is_refused_not_failed() {
    let refused = ModelErrorKind::Refused;
    let filtered = rejected(400, "content_filter", "flagged by policy");
    check_ends(filtered, refused, 1, &["flagged by policy"]).await;
}

#[tokio::test]
async fn a_reply_of_more_than_32_mib_is_not_read() {
    let huge = Fault::HugeBody(33 * 1024 * 1024);
    let server = echoing(FaultPlan::none().from(0, huge)).await;
    let error = connect(&server, &settings())
        .complete(request("more"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Permanent, "{error}");
    assert!(error.message.contains("32 MiB"), "{error}");
    assert_eq!(error.usage.calls, 1);
    assert_eq!(error.usage.total_tokens(), 0);
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_told_from_one_that_fails() {
    let server = echoing(FaultPlan::none()).await;
    let model = connect(&server, &settings());
    drop(server);
    let error = model.complete(request("hello")).await.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Unreachable);
    assert!(error.message.contains("cannot connect"), "{error}");
    assert!(
        error.message.contains("start it, or correct GROQ_API_BASE"),
        "{error}"
    );
    assert_eq!(error.usage.calls, 0, "nothing was ever sent");
}

#[tokio::test]
async fn under_a_storm_of_faults_both_books_agree_to_the_token() {
    let seed = 11;
    let plan = FaultPlan::none()
        .with_probability(seed, 0.05, Fault::status(429))
        .with_probability(seed, 0.05, Fault::status(500))
        .with_probability(seed, 0.05, Fault::ResetBeforeHeaders)
        .with_probability(seed, 0.05, Fault::ResetAfterHeaders)
        .with_probability(seed, 0.05, Fault::TruncatedBody)
        .with_probability(seed, 0.05, Fault::NoChoices)
        .with_probability(seed, 0.05, Fault::Length)
        .with_probability(seed, 0.05, Fault::ToolCalls);
    let server = echoing(plan).await;
    let settings = ModelSettings {
        max_attempts: Some(12),
        ..settings()
    };
    let model = connect(&server, &settings);
    let mut calls = tokio::task::JoinSet::new();
    for index in 0..300 {
        let model = std::sync::Arc::clone(&model);
        calls.spawn(async move { model.complete(request(&format!("call {index}"))).await });
    }
    let mut spent = gepa_evaluation::Usage::default();
    let mut completed = 0;
    while let Some(reply) = calls.join_next().await {
        let reply = reply.unwrap();
        spent += usage_of(&reply);
        completed += u32::from(reply.is_ok());
    }
    assert!(completed > 295, "{completed} of 300 completed");
    assert!(spent.calls > 380, "faults were met: {} calls", spent.calls);
    check_books(&server, spent);
    let expected_cost = spent.prompt_tokens + 2 * spent.completion_tokens;
    assert_eq!(spent.cost.0, expected_cost);
}
