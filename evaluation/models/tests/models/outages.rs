//! The circuit breaker, seen from outside.

use std::sync::Arc;
use std::time::Duration;

use gepa_evaluation::{LanguageModel, ModelErrorKind};
use gepa_models::ProviderSettings;
use gepa_testing::{Fault, FaultPlan, ModelServer};
use tokio::task::JoinSet;

use crate::support::{
    check_books, echoing, fast, models, prices, providers, request, settings, usage_of,
};

fn patient_for(seconds: f64) -> ProviderSettings {
    ProviderSettings {
        outage_seconds: Some(seconds),
        max_concurrent: Some(4),
        ..ProviderSettings::default()
    }
}

fn connect(server: &ModelServer, outage_seconds: f64) -> Arc<dyn LanguageModel> {
    let limits = providers(patient_for(outage_seconds));
    let mut settings = settings();
    settings.max_attempts = Some(6);
    models(server)
        .connect(&settings, &limits, &prices())
        .unwrap()
}

#[tokio::test]
async fn calls_outlast_an_outage_longer_than_their_attempts() {
    let server = echoing(FaultPlan::none().first(60, &Fault::status(502))).await;
    let model = connect(&server, 60.0);
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let model = Arc::clone(&model);
        calls.spawn(async move { model.complete(request("hold on")).await });
    }
    let mut spent = gepa_evaluation::Usage::default();
    while let Some(reply) = calls.join_next().await {
        let reply = reply.unwrap();
        assert!(reply.is_ok(), "{reply:?}");
        spent += usage_of(&reply);
    }
    assert_eq!(spent.calls, 68);
    check_books(&server, spent);
}

#[tokio::test]
async fn an_outage_that_lasts_ends_every_call_as_provider_down() {
    let server = echoing(FaultPlan::none().from(0, Fault::status(500))).await;
    let model = connect(&server, 0.2);
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let model = Arc::clone(&model);
        calls.spawn(async move { model.complete(request("hello?")).await });
    }
    while let Some(reply) = calls.join_next().await {
        let error = reply.unwrap().unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::ProviderDown, "{error}");
        assert!(error.message.contains("resume"), "{error}");
        assert_eq!(error.usage.total_tokens(), 0);
    }
}

#[tokio::test]
async fn a_provider_that_comes_back_is_found_by_the_next_call() {
    let server = echoing(FaultPlan::none().from(0, Fault::status(500))).await;
    let address = server.address();
    let model = connect(&server, 0.05);
    let error = model.complete(request("hello?")).await.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::ProviderDown, "{error}");
    let obstacle = model.obstacle().unwrap();
    assert!(obstacle.contains("is down"), "{obstacle}");
    drop(server);
    let revived = loop {
        // The old listener closes as soon as its task is gone.
        match ModelServer::echoing().start_on(address).await {
            Ok(revived) => break revived,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    tokio::time::sleep(fast().probe_at_least_every).await;
    let completion = model.complete(request("welcome back")).await.unwrap();
    assert_eq!(completion.text, "welcome back");
    assert_eq!(model.obstacle(), None);
    assert_eq!(revived.ledger().calls_answered, 1);
}
