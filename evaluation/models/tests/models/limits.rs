//! Limits are shared by everyone who uses the same address and key.

use std::sync::Arc;
use std::time::Duration;

use gepa_evaluation::{LanguageModel, ModelErrorKind, Usage};
use gepa_models::{ChatModel, Environment, ModelSettings, Models, ProviderSettings};
use gepa_testing::{Fault, FaultPlan, ModelCall, ModelServer, RetryAfter};
use tokio::task::JoinSet;

use crate::support::{
    check_books, echoing, fast, models, prices, providers, request, settings, usage_of,
};

async fn call_many(models: &[Arc<ChatModel>], calls: usize) -> Usage {
    let mut tasks = JoinSet::new();
    for index in 0..calls {
        let model = Arc::clone(&models[index % models.len()]);
        tasks.spawn(async move { model.complete(request("hi")).await });
    }
    let mut spent = Usage::default();
    while let Some(reply) = tasks.join_next().await {
        spent += usage_of(&reply.unwrap());
    }
    spent
}

fn limited_to(max_concurrent: u32) -> ProviderSettings {
    ProviderSettings {
        max_concurrent: Some(max_concurrent),
        ..ProviderSettings::default()
    }
}

async fn slow_server() -> ModelServer {
    let latency = Duration::from_millis(20);
    ModelServer::echoing()
        .latency(latency)
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn two_models_with_the_same_key_share_one_limit() {
    let server = slow_server().await;
    let models = models(&server);
    let connect = |name: &str, limit| {
        let settings = ModelSettings::new("groq", name);
        models
            .connect(&settings, &providers(limited_to(limit)), &prices())
            .unwrap()
    };
    let both = [connect("some-model", 3), connect("other-model", 5)];
    let spent = call_many(&both, 24).await;
    assert_eq!(
        server.ledger().max_in_flight,
        3,
        "the stricter of the two limits"
    );
    check_books(&server, spent);
}

#[tokio::test]
async fn different_keys_do_not_share_a_limit() {
    let server = slow_server().await;
    let environment = Environment::of([
        ("GROQ_API_BASE", server.base_url().as_str()),
        ("FIRST_KEY", "one"),
        ("SECOND_KEY", "two"),
    ]);
    let models = Models::with_timing(environment, fast());
    let connect = |variable: &str| {
        let settings = ModelSettings {
            api_key_env: Some(variable.to_owned()),
            ..settings()
        };
        models
            .connect(&settings, &providers(limited_to(2)), &prices())
            .unwrap()
    };
    let both = [connect("FIRST_KEY"), connect("SECOND_KEY")];
    call_many(&both, 24).await;
    assert_eq!(server.ledger().max_in_flight, 4);
}

#[tokio::test]
async fn a_limit_ends_with_the_last_model_that_asked_for_it() {
    let server = slow_server().await;
    let models = models(&server);
    let connect = |limit| {
        models
            .connect(&settings(), &providers(limited_to(limit)), &prices())
            .unwrap()
    };
    drop(connect(1));
    call_many(&[connect(4)], 16).await;
    assert_eq!(server.ledger().max_in_flight, 4);
}

#[tokio::test]
async fn cancelled_calls_give_back_what_they_held() {
    let hang = Fault::SlowFirstByte(Duration::from_hours(1));
    let server = echoing(FaultPlan::none().first(6, &hang)).await;
    let models = models(&server);
    let model = models
        .connect(&settings(), &providers(limited_to(2)), &prices())
        .unwrap();
    for _ in 0..3 {
        let mut calls = JoinSet::new();
        for _ in 0..5 {
            let model = Arc::clone(&model);
            calls.spawn(async move { model.complete(request("stuck")).await });
        }
        // Two are at the server and three in line.
        while server.ledger().in_flight < 2 {
            tokio::task::yield_now().await;
        }
        calls.shutdown().await;
        while server.ledger().in_flight > 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(server.ledger().calls_received, 6);
    let spent = call_many(std::slice::from_ref(&model), 4).await;
    assert_eq!(spent.calls, 4);
    assert_eq!(server.ledger().max_in_flight, 2);
}

#[tokio::test]
async fn one_call_told_to_wait_makes_all_calls_wait() {
    let throttle = Fault::status_with_retry_after(429, RetryAfter::Seconds(60));
    let server = echoing(FaultPlan::none().at(0, throttle)).await;
    let models = models(&server);
    // One at a time, so no other call is sent before the first reply is known.
    let model = models
        .connect(&settings(), &providers(limited_to(1)), &prices())
        .unwrap();
    let calls = tokio::spawn(async move { call_many(&[model], 4).await });
    while server.ledger().calls_received == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.ledger().calls_received, 1);
    calls.abort();
}

#[tokio::test]
async fn a_pause_longer_than_the_user_will_wait_pauses_the_run_instead() {
    let throttle = Fault::status_with_retry_after(429, RetryAfter::DateIn(7_200));
    let server = echoing(FaultPlan::none().at(0, throttle)).await;
    let patience = ProviderSettings {
        outage_seconds: Some(60.0),
        ..ProviderSettings::default()
    };
    let models = models(&server);
    let model = models
        .connect(&settings(), &providers(patience), &prices())
        .unwrap();
    for _ in 0..2 {
        let error = model.complete(request("hi")).await.unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::ProviderDown, "{error}");
        assert!(error.message.contains("outage_seconds"), "{error}");
    }
    assert_eq!(
        server.ledger().calls_received,
        1,
        "nothing is sent into the pause"
    );
}

#[tokio::test]
async fn requests_per_minute_hold_back_calls_beyond_them() {
    let server = echoing(FaultPlan::none()).await;
    let models = models(&server);
    let limits = ProviderSettings {
        requests_per_minute: Some(5),
        ..ProviderSettings::default()
    };
    let model = models
        .connect(&settings(), &providers(limits), &prices())
        .unwrap();
    let calls = tokio::spawn({
        let model = Arc::clone(&model);
        async move { call_many(&[model], 20).await }
    });
    while server.ledger().calls_received < 5 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.ledger().calls_received, 5);
    calls.abort();
}

#[tokio::test]
async fn a_run_with_few_calls_does_not_wait_for_another_with_many() {
    let server = slow_server().await;
    let models = models(&server);
    let run = || {
        models
            .for_run()
            .connect(&settings(), &providers(limited_to(1)), &prices())
            .unwrap()
    };
    let (busy, modest) = (run(), run());
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let busy = Arc::clone(&busy);
        calls.spawn(async move { busy.complete(request("busy")).await });
    }
    // The line of the busy run stands before the other comes.
    while server.ledger().calls_received < 2 {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        let modest = Arc::clone(&modest);
        calls.spawn(async move { modest.complete(request("modest")).await });
    }
    while let Some(reply) = calls.join_next().await {
        reply.unwrap().unwrap();
    }
    let ledger = server.ledger();
    let order: Vec<&str> = ledger.recent.iter().map(ModelCall::last_message).collect();
    let last = order.iter().rposition(|text| *text == "modest").unwrap();
    assert!(last < 12, "every other call at the latest: {order:?}");
}
