//! Rollouts that work.

use gepa_evaluation::{Evaluator, Outcome, RolloutRequest, Stage};
use gepa_testing::{Fault, FaultPlan};
use serde_json::json;

use crate::app::{APP_KEY, Family, Quirk};
use crate::support::{World, always, check_books, good, rollout, scored, seed};

#[tokio::test]
async fn the_candidate_decides_the_score_although_the_app_never_sees_it() {
    for family in [Family::Swallowing, Family::Propagating] {
        let world = World::well(family).await;
        let baseline = world.run_as(rollout(seed(true), 3)).await;
        assert_eq!(scored(&baseline).score, 0.0);
        let better = world.run_as(rollout(good(true), 3)).await;
        assert_eq!(scored(&better).score, 1.0);
        let requests = world.app.rollouts();
        assert!(
            requests
                .iter()
                .all(|request| !request.to_string().contains("Good"))
        );
    }
}

#[tokio::test]
async fn the_request_has_the_shape_of_the_contract() {
    let mut world = World::well(Family::Swallowing).await;
    world.settings.split = Some("train".to_owned());
    world.settings.validation_split = Some("test".to_owned());
    world.settings.env_config = json!({"pool": "a"}).as_object().unwrap().clone();
    world.settings.policy_config = json!({"model": "other", "max_steps": 1})
        .as_object()
        .unwrap()
        .clone();
    let evaluator = world.connect().await.unwrap();
    evaluator.evaluate(rollout(good(true), 7)).await;
    let validation = RolloutRequest {
        stage: Stage::ValidationTopK,
        ..rollout(good(true), 8)
    };
    evaluator.evaluate(validation).await;
    let requests = world.app.rollouts();
    let first = &requests[0];
    let config = &first["policy"]["config"];
    assert_eq!(first["run_id"], "pl_0123456789abcdef");
    assert_eq!(first["mode"], "eval");
    assert_eq!(first["ops"], json!(["agent", "env"]));
    let env = json!({"env_name": "fake", "seed": 7,
        "config": {"index": 7, "pool": "a", "split": "train"}});
    assert_eq!(first["env"], env);
    assert_eq!(config["model"], "policy-model");
    assert_eq!(config["provider"], "groq");
    assert_eq!(config["max_completion_tokens"], 32);
    assert_eq!(config["max_steps"], 1);
    assert_eq!(
        config["trace_correlation_id"],
        first["trace_correlation_id"]
    );
    assert_eq!(requests[1]["env"]["config"]["split"], "test");
    let url = |index: usize| requests[index]["policy"]["config"]["inference_url"].clone();
    assert_ne!(url(0), url(1));
}

#[tokio::test]
async fn no_split_is_named_unless_the_config_does() {
    let world = World::well(Family::Swallowing).await;
    world.run().await;
    assert_eq!(
        world.app.rollouts()[0]["env"]["config"],
        json!({"index": 3})
    );
}

#[tokio::test]
async fn reflection_is_told_what_went_in_what_came_out_and_what_was_expected() {
    let world = World::well(Family::Swallowing).await;
    let evaluation = world.run_as(rollout(seed(true), 3)).await;
    let scored = scored(&evaluation);
    let feedback = scored.feedback.as_deref();
    assert_eq!(
        feedback,
        Some("The answer `0` is wrong; the expected answer is `1`.")
    );
    let trace = json!({
        "Inputs": {"age": "3", "sex": "0"},
        "Generated Outputs": "{\"label\":\"0\"}",
    });
    assert_eq!(scored.trace, Some(trace));
    let pareto = RolloutRequest {
        stage: Stage::Pareto,
        ..rollout(seed(true), 3)
    };
    let untraced = world.run_as(pareto).await;
    assert!(matches!(&untraced.outcome, Outcome::Scored(scored) if scored.trace.is_none()));
}

#[tokio::test]
async fn usage_is_the_models_own_account_and_no_key_reaches_it_from_the_app() {
    let world = World::well(Family::Propagating).await;
    let evaluation = world.run().await;
    check_books(&world, &evaluation);
    assert_eq!(evaluation.usage.total_tokens(), 12);
    let call = &world.model.ledger().recent[0];
    assert!(
        call.headers
            .iter()
            .all(|(_, value)| !value.contains(APP_KEY))
    );
    assert!(!call.body.to_string().contains(APP_KEY));
}

#[tokio::test]
async fn usage_that_is_missing_is_estimated_apart() {
    let world = World::new(Family::Swallowing, Quirk::None, always(Fault::MissingUsage)).await;
    let evaluation = world.run().await;
    assert_eq!(scored(&evaluation).score, 1.0);
    assert!(evaluation.usage.unknown_tokens > 0);
    assert_eq!(evaluation.usage.prompt_tokens, 0);
}

#[tokio::test]
async fn overload_is_retried_inside_the_interceptor() {
    let faults = FaultPlan::none()
        .at(0, Fault::status(429))
        .at(1, Fault::status(500));
    let world = World::new(Family::Swallowing, Quirk::None, faults).await;
    let evaluation = world.run().await;
    assert_eq!(scored(&evaluation).score, 1.0);
    assert_eq!(evaluation.usage.calls, 3);
    assert_eq!(world.app.calls(), 1);
}

#[tokio::test]
async fn an_app_that_sends_parts_is_served_alike() {
    let world = World::new(Family::Swallowing, Quirk::Parts, FaultPlan::none()).await;
    assert_eq!(scored(&world.run().await).score, 1.0);
    let call = &world.model.ledger().recent[0];
    assert_eq!(
        call.body["messages"][0]["content"][0]["text"],
        "Good prompt."
    );
}

#[tokio::test]
async fn fifty_rollouts_at_once_are_kept_apart_and_add_up() {
    let world = World::well(Family::Swallowing).await;
    let evaluator = std::sync::Arc::new(world.connect().await.unwrap());
    let mut running = tokio::task::JoinSet::new();
    for number in 0..50 {
        let evaluator = evaluator.clone();
        let candidate = if number < 25 { good(true) } else { seed(true) };
        running.spawn(async move {
            let evaluation = evaluator.evaluate(rollout(candidate, number)).await;
            (number, evaluation)
        });
    }
    let mut usage = gepa_evaluation::Usage::default();
    while let Some(done) = running.join_next().await {
        let (number, evaluation) = done.unwrap();
        usage += evaluation.usage;
        let expected = if number < 25 || number % 2 == 0 {
            1.0
        } else {
            0.0
        };
        assert_eq!(scored(&evaluation).score, expected, "{number}");
    }
    let ledger = world.model.ledger();
    assert_eq!(usage.calls, ledger.calls_received);
    assert_eq!(usage.prompt_tokens, ledger.prompt_tokens);
    assert_eq!(usage.completion_tokens, ledger.completion_tokens);
    assert_eq!(ledger.calls_received, 50);
}

#[tokio::test]
async fn info_names_the_policy_in_force() {
    let world = World::well(Family::Swallowing).await;
    let info = world.connect().await.unwrap().info();
    assert_eq!(
        (
            info.kind.as_str(),
            info.policy_provider.as_str(),
            info.policy_model.as_str()
        ),
        ("task_app", "groq", "policy-model")
    );
}
