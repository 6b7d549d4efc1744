//! The requests to the provider, its answers, and the record of both.

use std::time::Duration;

use gepa_evaluation::{ModelErrorKind, RolloutClock};
use gepa_tasks::interceptor::{CallOutcome, LeaseTerms};
use gepa_testing::{Fault, FaultPlan, ModelReply, ModelServer};
use serde_json::{Value, json};

use crate::support::{
    KEY, body, call, completions_url, interceptor, lease, policy, policy_at, policy_settings, post,
    terms,
};

#[tokio::test]
async fn the_candidate_and_the_policy_go_out_with_everything_else_the_app_asked_for() {
    let server = ModelServer::echoing().start().await.unwrap();
    let interceptor = interceptor();
    let lease = lease(&interceptor, policy(&server)).await;
    let answered = call(&lease, "hello").await;
    assert_eq!(answered.status, 200);
    assert_eq!(answered.body["choices"][0]["message"]["content"], "hello");
    let ledger = server.ledger();
    let sent = &ledger.recent[0];
    assert_eq!(sent.message(0), "Candidate.");
    assert_eq!(sent.body["model"], "policy-model");
    assert_eq!(sent.body["temperature"], 0.25);
    assert_eq!(sent.body["max_completion_tokens"], 64);
    assert_eq!(sent.body.get("max_tokens"), None);
    assert_eq!(sent.body["tools"], body("")["tools"]);
    assert_eq!(sent.body["tool_choice"], "required");
    let authorization = format!("Bearer {KEY}");
    assert_eq!(sent.header("authorization"), Some(authorization.as_str()));
}

#[tokio::test]
async fn a_limit_the_policy_leaves_open_is_the_apps_under_the_providers_name() {
    let server = ModelServer::echoing().start().await.unwrap();
    let settings = gepa_models::ModelSettings {
        max_tokens: None,
        temperature: None,
        ..policy_settings()
    };
    let interceptor = interceptor();
    let lease = lease(&interceptor, policy_at(&server.base_url(), &settings)).await;
    call(&lease, "hello").await;
    let sent = &server.ledger().recent[0];
    assert_eq!(sent.body["max_completion_tokens"], 8);
    assert_eq!(sent.body.get("max_tokens"), None);
    assert_eq!(sent.body["temperature"], 1.0);
}

#[tokio::test]
async fn the_record_tells_what_was_sent_and_what_it_cost() {
    let server = ModelServer::answering(|_| ModelReply::text("done").reporting(11, 5))
        .start()
        .await
        .unwrap();
    let interceptor = interceptor();
    let lease = lease(&interceptor, policy(&server)).await;
    let trace_id = lease.trace_id().to_owned();
    call(&lease, "hello").await;
    call(&lease, "hello").await;
    let calls = lease.close();
    assert_eq!(calls.len(), 2);
    let first = &calls[0];
    assert_eq!(first.fingerprint, calls[1].fingerprint);
    assert_eq!(first.correlation_id.as_deref(), Some(trace_id.as_str()));
    assert_eq!(first.user_texts().collect::<Vec<_>>(), ["hello"]);
    assert_eq!(first.messages[0].content, "Candidate.");
    assert_eq!(
        (first.usage.prompt_tokens, first.usage.completion_tokens),
        (11, 5)
    );
    assert!(matches!(&first.outcome, CallOutcome::Answered { text, .. } if text == "done"));
}

#[tokio::test]
async fn the_clock_of_the_rollout_stands_still_while_a_call_of_the_app_waits() {
    let outage = FaultPlan::none().from(0, Fault::status(500));
    let server = ModelServer::echoing().faults(outage).start().await.unwrap();
    let interceptor = interceptor();
    let clock = RolloutClock::start();
    let policy = policy(&server);
    let lease = clock.clone().scope(lease(&interceptor, policy)).await;
    let url = completions_url(lease.inference_url());
    let waiting = tokio::spawn(async move { post(&url, &body("hello")).await });
    while clock.is_running() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(lease);
    waiting.await.unwrap();
    assert!(clock.is_running());
}

#[tokio::test]
async fn missing_usage_is_estimated_in_the_answer_as_well() {
    let server = ModelServer::echoing()
        .faults(FaultPlan::none().from(0, Fault::MissingUsage))
        .start()
        .await
        .unwrap();
    let interceptor = interceptor();
    let lease = lease(&interceptor, policy(&server)).await;
    let answered = call(&lease, "hello").await;
    let calls = lease.close();
    assert!(calls[0].usage.unknown_tokens > 0);
    assert_eq!(
        answered.body["usage"]["total_tokens"],
        json!(calls[0].usage.unknown_tokens)
    );
}

#[tokio::test]
async fn overload_is_retried_inside_and_the_app_sees_none_of_it() {
    let server = ModelServer::echoing()
        .faults(
            FaultPlan::none()
                .at(0, Fault::status(429))
                .at(1, Fault::status(503)),
        )
        .start()
        .await
        .unwrap();
    let interceptor = interceptor();
    let lease = lease(&interceptor, policy(&server)).await;
    assert_eq!(call(&lease, "hello").await.status, 200);
    let calls = lease.close();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].usage.calls, 3);
}

#[tokio::test]
async fn the_providers_refusal_is_passed_on_as_it_came() {
    let fault = Fault::Status {
        status: 404,
        retry_after: None,
        code: "model_not_found".to_owned(),
        message: format!("no such model; your key is {KEY}"),
    };
    let server = ModelServer::echoing()
        .faults(FaultPlan::none().from(0, fault))
        .start()
        .await
        .unwrap();
    let interceptor = interceptor();
    let lease = lease(&interceptor, policy(&server)).await;
    let answered = call(&lease, "hello").await;
    assert_eq!(answered.status, 404);
    assert_eq!(answered.body["error"]["code"], "model_not_found");
    assert!(!answered.body.to_string().contains(KEY));
    let calls = lease.close();
    assert!(matches!(
        &calls[0].outcome,
        CallOutcome::Failed { kind: ModelErrorKind::Permanent, status: Some(404), message }
            if !message.contains(KEY)
    ));
}

#[tokio::test]
async fn a_slow_model_is_answered_for_in_time_and_its_tokens_are_estimated() {
    let server = ModelServer::echoing()
        .latency(Duration::from_secs(30))
        .start()
        .await
        .unwrap();
    let interceptor = interceptor();
    let terms = LeaseTerms {
        answer_within: Duration::from_millis(50),
        ..terms(policy(&server))
    };
    let lease = interceptor.open(terms, "test").await.unwrap();
    let answered = call(&lease, "hello").await;
    assert_eq!(answered.status, 504);
    assert_eq!(answered.body["error"]["code"], "timeout");
    let calls = lease.close();
    assert!(matches!(
        &calls[0].outcome,
        CallOutcome::TimedOut {
            provider_down: false,
            ..
        }
    ));
    assert_eq!(calls[0].usage.calls, 1);
    assert!(calls[0].usage.unknown_tokens > 0);
}

#[tokio::test]
async fn a_call_without_a_place_for_the_candidate_never_reaches_the_provider() {
    let server = ModelServer::echoing().start().await.unwrap();
    let interceptor = interceptor();
    let lease = lease(&interceptor, policy(&server)).await;
    let url = completions_url(lease.inference_url());
    for unusable in [json!([]), json!({}), json!({"messages": "none"})] {
        assert_eq!(post(&url, &unusable).await.status, 400);
    }
    assert_eq!(server.ledger().calls_received, 0);
    let calls = lease.close();
    assert_eq!(calls.len(), 3);
    let is_rejected = |outcome: &CallOutcome| matches!(outcome, CallOutcome::Rejected { .. });
    assert!(calls.iter().all(|call| is_rejected(&call.outcome)));
}

#[tokio::test]
async fn fifty_rollouts_at_once_add_up_to_the_providers_books() {
    let server = ModelServer::answering(|call| {
        let tokens = call.last_message().len() as u64;
        ModelReply::text("x").reporting(tokens, tokens + 1)
    })
    .latency(Duration::from_millis(5))
    .start()
    .await
    .unwrap();
    let interceptor = interceptor();
    let policy = policy(&server);
    let mut rollouts = tokio::task::JoinSet::new();
    for number in 0..50_usize {
        let (interceptor, policy) = (interceptor.clone(), policy.clone());
        rollouts.spawn(async move {
            let lease = lease(&interceptor, policy).await;
            for _ in 0..3 {
                call(&lease, &"x".repeat(number + 1)).await;
            }
            lease.close()
        });
    }
    let mut prompt = 0;
    let mut completion = 0;
    while let Some(calls) = rollouts.join_next().await {
        let calls = calls.unwrap();
        assert_eq!(calls.len(), 3);
        let texts: Vec<Vec<&str>> = calls
            .iter()
            .map(|call| call.user_texts().collect())
            .collect();
        assert!(
            texts.windows(2).all(|pair| pair[0] == pair[1]),
            "rollouts are mixed up"
        );
        prompt += calls
            .iter()
            .map(|call| call.usage.prompt_tokens)
            .sum::<u64>();
        completion += calls
            .iter()
            .map(|call| call.usage.completion_tokens)
            .sum::<u64>();
    }
    let ledger = server.ledger();
    assert_eq!(
        (ledger.prompt_tokens, ledger.completion_tokens),
        (prompt, completion)
    );
    assert_eq!(ledger.calls_received, 150);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_and_written_down() {
    let server = ModelServer::echoing().start().await.unwrap();
    let interceptor = interceptor();
    let lease = lease(&interceptor, policy(&server)).await;
    let url = completions_url(lease.inference_url());
    let answered = post(&url, &Value::from("x".repeat(9 * 1024 * 1024))).await;
    assert_eq!(answered.status, 413);
    let calls = lease.close();
    assert!(matches!(&calls[0].outcome, CallOutcome::Rejected { .. }));
}
