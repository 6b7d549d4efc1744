//! The server: its books, its limits, its faults.

use gepa_bench::worlds::{Conditions, Family, Faults, OverCapacity, WorldServer};
use serde_json::Value;

use crate::client::{Caller, rollout};

#[tokio::test]
async fn the_books_hold_what_the_client_received() {
    let server = WorldServer::start().await.unwrap();
    let caller = Caller::new(&server, Family::Additive, 1, "books");
    let dataset = caller.get("dataset?pareto=20").await;
    let prompt = dataset["seed_prompt"].as_str().unwrap();
    let mut tokens = (0, 0);
    for item in dataset["pareto"].as_array().unwrap() {
        let input = item["input"].as_str().unwrap();
        let (_, usage) = caller.answer("policy", &rollout(prompt, input)).await;
        tokens.0 += usage["prompt_tokens"].as_u64().unwrap();
        tokens.1 += usage["completion_tokens"].as_u64().unwrap();
    }
    let ledger = caller.ledger().await;
    assert_eq!(ledger["policy_calls"], 20);
    assert_eq!(ledger["reflector_calls"], 0);
    assert_eq!(ledger["prompt_tokens"], tokens.0);
    assert_eq!(ledger["completion_tokens"], tokens.1);
    assert_eq!(ledger["in_flight"], 0);
    let timeline = caller.get("books/timeline").await;
    assert_eq!(timeline.as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn the_score_of_a_prompt_is_the_mean_of_what_the_policy_answers() {
    let server = WorldServer::start().await.unwrap();
    let caller = Caller::new(&server, Family::Additive, 2, "score");
    let dataset = caller.get("dataset?pareto=400").await;
    let prompt = dataset["seed_prompt"].as_str().unwrap();
    let items = dataset["pareto"].as_array().unwrap();
    let mut right = 0;
    for item in items {
        let input = item["input"].as_str().unwrap();
        let (text, _) = caller.answer("policy", &rollout(prompt, input)).await;
        right += u32::from(text == item["answer"].as_str().unwrap());
    }
    let scores = caller.score(prompt).await;
    let seen = f64::from(right) / items.len() as f64;
    let exact = scores["test"].as_f64().unwrap();
    // Four standard errors of a mean of 400.
    assert!((seen - exact).abs() < 0.1, "{seen} is not {exact}");
}

#[tokio::test]
async fn calls_over_a_capacity_that_refuses_are_refused_and_booked() {
    let server = WorldServer::start().await.unwrap();
    server.control(Conditions {
        policy_ms: 200.0,
        capacity: Some(2),
        over_capacity: OverCapacity::Reject,
        ..Conditions::default()
    });
    let caller = Caller::new(&server, Family::Additive, 1, "capacity");
    let dataset = caller.get("dataset?pareto=6").await;
    let inputs = inputs(&dataset);
    let chats: Vec<_> = inputs.iter().map(|input| rollout("Sort.", input)).collect();
    let calls = chats.iter().map(|chat| caller.chat("policy", chat));
    let replies = futures::future::join_all(calls).await;
    let refused = replies
        .iter()
        .map(|reply| reply.as_ref().unwrap())
        .filter(|reply| reply.status() == 429);
    let waits = refused.map(|reply| reply.headers().contains_key("retry-after"));
    let waits: Vec<bool> = waits.collect();
    assert_eq!(waits, [true; 4]);
    let ledger = caller.ledger().await;
    assert_eq!(ledger["rejected"], 4);
    assert_eq!(ledger["policy_calls"], 2);
    assert_eq!(ledger["max_in_flight"], 2);
}

#[tokio::test]
async fn calls_over_a_capacity_that_queues_are_answered_in_turn() {
    let server = WorldServer::start().await.unwrap();
    server.control(Conditions {
        policy_ms: 20.0,
        capacity: Some(2),
        ..Conditions::default()
    });
    let caller = Caller::new(&server, Family::Additive, 1, "queue");
    let dataset = caller.get("dataset?pareto=6").await;
    let inputs = inputs(&dataset);
    let chats: Vec<_> = inputs.iter().map(|input| rollout("Sort.", input)).collect();
    let calls = chats.iter().map(|chat| caller.answer("policy", chat));
    futures::future::join_all(calls).await;
    let ledger = caller.ledger().await;
    assert_eq!(ledger["policy_calls"], 6);
    assert_eq!(ledger["rejected"], 0);
    assert_eq!(ledger["max_in_flight"], 2);
}

#[tokio::test]
async fn requests_beyond_the_rate_get_the_time_to_try_again() {
    let server = WorldServer::start().await.unwrap();
    server.control(Conditions {
        rpm: Some(1.0),
        ..Conditions::default()
    });
    let caller = Caller::new(&server, Family::Additive, 1, "rpm");
    let chat = rollout("Sort.", "[item P-0001]");
    assert_eq!(caller.chat("policy", &chat).await.unwrap().status(), 200);
    let refused = caller.chat("policy", &chat).await.unwrap();
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
}

#[tokio::test]
async fn faults_have_their_configured_probability_and_are_booked_as_errors() {
    let server = WorldServer::start().await.unwrap();
    server.control(Conditions {
        faults: Faults {
            status_500: 0.2,
            reset: 0.2,
            truncated: 0.2,
            missing_usage: 0.2,
            ..Faults::default()
        },
        ..Conditions::default()
    });
    let caller = Caller::new(&server, Family::Additive, 1, "faults");
    let dataset = caller.get("dataset?pareto=200").await;
    let (mut broken, mut failed, mut without_usage, mut whole) = (0, 0, 0, 0);
    for input in inputs(&dataset) {
        match caller.chat("policy", &rollout("Sort.", &input)).await {
            Err(_) => broken += 1,
            Ok(reply) if reply.status() == 500 => failed += 1,
            Ok(reply) => match reply.json::<Value>().await {
                Err(_) => broken += 1,
                Ok(body) if body.get("usage").is_none() => without_usage += 1,
                Ok(_) => whole += 1,
            },
        }
    }
    let ledger = caller.ledger().await;
    assert_eq!(ledger["errors"], broken + failed);
    assert_eq!(ledger["policy_calls"], without_usage + whole);
    // Draws of 200 calls at 0.2 and 0.4; bounds are beyond four standard deviations.
    assert!((50..110).contains(&broken), "{broken}");
    assert!((17..63).contains(&failed), "{failed}");
    assert!((17..63).contains(&without_usage), "{without_usage}");
}

fn inputs(dataset: &Value) -> Vec<String> {
    let items = dataset["pareto"].as_array().unwrap().iter();
    items
        .map(|item| item["input"].as_str().unwrap().to_owned())
        .collect()
}
