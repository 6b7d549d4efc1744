//! Trial ids: the only credential, good for one rollout.

use std::time::Duration;

use gepa_models::Environment;
use gepa_tasks::interceptor::{CallOutcome, Interceptor};
use gepa_testing::ModelServer;

use crate::support::{
    Answered, body, call, client, completions_url, interceptor, lease, policy, post,
};

fn is_unknown(answered: &Answered) -> bool {
    answered.status == 404 && answered.body["error"]["code"] == "unknown_trial_id"
}

#[tokio::test]
async fn every_lease_has_an_id_of_its_own_that_nobody_can_guess() {
    let server = ModelServer::echoing().start().await.unwrap();
    let interceptor = interceptor();
    let first = lease(&interceptor, policy(&server)).await;
    let second = lease(&interceptor, policy(&server)).await;
    let id = |url: &str| url.split(['/', '?']).nth(4).unwrap().to_owned();
    let (one, other) = (id(first.inference_url()), id(second.inference_url()));
    assert_ne!(one, other);
    let digits = one.strip_prefix("gepa-").unwrap();
    assert!(digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let guessed = completions_url(first.inference_url()).replace(&one, "gepa-0123456789abcdef");
    assert!(is_unknown(&post(&guessed, &body("hello")).await));
    assert_eq!(server.ledger().calls_received, 0);
}

#[tokio::test]
async fn an_id_dies_with_its_lease() {
    let server = ModelServer::echoing().start().await.unwrap();
    let interceptor = interceptor();
    let closed = lease(&interceptor, policy(&server)).await;
    let dropped = lease(&interceptor, policy(&server)).await;
    let urls = [closed.inference_url(), dropped.inference_url()].map(completions_url);
    assert_eq!(closed.close(), Vec::new());
    drop(dropped);
    for url in urls {
        assert!(is_unknown(&post(&url, &body("hello")).await));
    }
    assert_eq!(server.ledger().calls_received, 0);
}

#[tokio::test]
async fn a_call_under_way_ends_with_its_lease_and_counts_as_an_estimate() {
    let server = ModelServer::echoing()
        .latency(Duration::from_secs(30))
        .start()
        .await
        .unwrap();
    let interceptor = interceptor();
    let lease = lease(&interceptor, policy(&server)).await;
    let url = completions_url(lease.inference_url());
    let waiting = tokio::spawn(async move { post(&url, &body("hello")).await });
    while server.ledger().in_flight == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let calls = lease.close();
    assert_eq!(calls[0].outcome, CallOutcome::Abandoned);
    assert_eq!(calls[0].usage.calls, 1);
    assert!(calls[0].usage.unknown_tokens > 0);
    assert!(is_unknown(&waiting.await.unwrap()));
}

#[tokio::test]
async fn other_paths_and_methods_lead_nowhere() {
    let server = ModelServer::echoing().start().await.unwrap();
    let interceptor = interceptor();
    let lease = lease(&interceptor, policy(&server)).await;
    let url = completions_url(lease.inference_url());
    let get = client().get(&url).send().await.unwrap();
    assert_eq!(get.status().as_u16(), 405);
    let other = url.replace("/chat/completions", "/embeddings");
    assert_eq!(post(&other, &body("hello")).await.status, 404);
    for variant in [
        "/v1/chat/completions?",
        "/some-cid/chat/completions?",
        "/chat/completions/?",
    ] {
        let url = lease.inference_url().replace('?', variant);
        assert_eq!(post(&url, &body("hello")).await.status, 200, "{variant}");
    }
}

#[tokio::test]
async fn all_leases_of_a_process_share_one_address() {
    let server = ModelServer::echoing().start().await.unwrap();
    let interceptor = interceptor();
    let lease = lease(&interceptor.clone(), policy(&server)).await;
    let address = interceptor.address().await.unwrap().to_string();
    assert!(lease.inference_url().contains(&address));
    assert_eq!(call(&lease, "hello").await.status, 200);
}

#[tokio::test]
async fn an_address_that_cannot_be_bound_names_the_variable() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let environment = Environment::of([("GEPA_INTERCEPTOR_LISTEN", address.clone())]);
    let error = Interceptor::new(&environment).address().await.unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("GEPA_INTERCEPTOR_LISTEN") && message.contains(&address),
        "{message}"
    );
}

#[tokio::test]
async fn debug_output_shows_no_trial_id() {
    let server = ModelServer::echoing().start().await.unwrap();
    let interceptor = interceptor();
    let lease = lease(&interceptor, policy(&server)).await;
    assert!(!format!("{interceptor:?} {lease:?}").contains("gepa-"));
}
