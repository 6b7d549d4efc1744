//! The circuit breaker, seen from outside.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gepa_evaluation::{LanguageModel, ModelErrorKind, RolloutClock};
use gepa_models::{ModelSettings, Models, ProviderSettings};
use gepa_testing::{Fault, FaultPlan, ModelServer};
use indexmap::IndexMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{
    check_books, echoing, environment, fast, models, prices, providers, request, settings, usage_of,
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

async fn revived_on(address: SocketAddr) -> ModelServer {
    loop {
        // The old listener closes as soon as its task is gone.
        match ModelServer::echoing().start_on(address).await {
            Ok(revived) => return revived,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
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
    let revived = revived_on(address).await;
    tokio::time::sleep(fast().probe_at_least_every).await;
    let completion = model.complete(request("welcome back")).await.unwrap();
    assert_eq!(completion.text, "welcome back");
    assert_eq!(model.obstacle(), None);
    assert_eq!(revived.ledger().calls_answered, 1);
}

#[tokio::test]
async fn a_provider_that_was_never_there_is_said_within_seconds() {
    let server = echoing(FaultPlan::none()).await;
    let environment = environment(&server);
    drop(server);
    // With the pace of real providers, and as many calls as a run begins with.
    let models = Models::new(environment);
    let model = models.connect(&settings(), &providers(patient_for(600.0)), &[]);
    let model = model.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let model = Arc::clone(&model);
        calls.spawn(async move { model.complete(request("anybody?")).await });
    }
    while let Some(reply) = calls.join_next().await {
        let error = reply.unwrap().unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::Unreachable, "{error}");
        assert!(error.message.contains("GROQ_API_BASE"), "{error}");
        assert_eq!(error.usage.calls, 0);
    }
}

/// A server that reads a few bytes and answers in plain HTTP, as servers do that are sent TLS.
async fn answering_without_tls() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 16];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    address
}

#[tokio::test]
async fn a_name_that_leads_nowhere_and_a_missing_tls_are_told_apart() {
    let server = echoing(FaultPlan::none()).await;
    let plain = answering_without_tls().await;
    let as_https = format!("https://{plain}/v1");
    for (address, words) in [
        ("http://no-such-host.invalid/v1", "the host is not known"),
        (as_https.as_str(), "write http://"),
    ] {
        let settings = ModelSettings {
            base_url: Some(address.to_owned()),
            ..settings()
        };
        let models = models(&server);
        let model = models.connect(&settings, &IndexMap::new(), &[]).unwrap();
        let error = model.complete(request("hello?")).await.unwrap_err();
        assert_eq!(error.kind, ModelErrorKind::Unreachable, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_provider_that_goes_away_in_mid_run_is_waited_for_and_says_for_what() {
    let server = echoing(FaultPlan::none()).await;
    let address = server.address();
    let model = connect(&server, 600.0);
    model.complete(request("first")).await.unwrap();
    drop(server);
    let waiting = {
        let model = Arc::clone(&model);
        tokio::spawn(async move { model.complete(request("second")).await })
    };
    let obstacle = loop {
        // Before the provider counts as down, the call is only made again.
        match model.obstacle() {
            Some(obstacle) if obstacle.contains("which is down for") => break obstacle,
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    for words in ["gives up in", "cannot connect"] {
        assert!(obstacle.contains(words), "{obstacle}");
    }
    let _revived = revived_on(address).await;
    assert_eq!(waiting.await.unwrap().unwrap().text, "second");
}

#[tokio::test]
async fn a_provider_that_answers_500_from_the_first_call_on_is_an_obstacle_at_once() {
    let server = echoing(FaultPlan::none().from(0, Fault::status(500))).await;
    let model = connect(&server, 600.0);
    assert_eq!(model.obstacle(), None);
    let waiting = {
        let model = Arc::clone(&model);
        tokio::spawn(async move { model.complete(request("x")).await })
    };
    let obstacle = loop {
        match model.obstacle() {
            Some(obstacle) => break obstacle,
            None => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    assert!(obstacle.contains("answered 500"), "{obstacle}");
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn calls_that_wait_end_at_once_when_the_run_leaves() {
    let server = echoing(FaultPlan::none().from(0, Fault::status(500))).await;
    let model = connect(&server, 600.0);
    let clock = RolloutClock::start();
    let waiting = {
        let (model, clock) = (Arc::clone(&model), clock.clone());
        let call = async move { model.complete(request("hello?")).await };
        tokio::spawn(clock.scope(call))
    };
    while model.obstacle().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The limit of the rollout is not for the time of an outage.
    while clock.is_running() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    model.stop_waiting();
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::ProviderDown, "{error}");
    assert!(error.message.contains("the run left"), "{error}");
}
