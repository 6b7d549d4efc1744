//! A failed model call never becomes a score of zero, however the app treats it.

use std::time::Duration;

use gepa_evaluation::{Evaluator, FailureKind, RolloutRequest};
use gepa_testing::{Fault, FaultPlan, RetryAfter};

use crate::app::{Family, Quirk};
use crate::support::{MODEL_KEY, World, always, check_books, failure, good, rollout, scored};

async fn check(status: u16, kind: FailureKind, fatal: bool) {
    for family in [Family::Swallowing, Family::Propagating] {
        let fault = always(Fault::status(status));
        let world = World::new(family, Quirk::None, fault).await;
        let evaluation = world.run().await;
        let failure = failure(&evaluation);
        assert_eq!(
            (failure.kind, failure.fatal),
            (kind, fatal),
            "{status} {failure:?}"
        );
        assert!(failure.message.contains(&status.to_string()), "{failure:?}");
        assert!(!evaluation.provider_down);
        check_books(&world, &evaluation);
    }
}

#[tokio::test]
async fn refused_requests_fail_the_rollout_for_good() {
    check(400, FailureKind::Permanent, false).await;
    check(422, FailureKind::Permanent, false).await;
}

#[tokio::test]
async fn what_every_rollout_would_meet_is_fatal() {
    check(401, FailureKind::Permanent, true).await;
    check(403, FailureKind::Permanent, true).await;
    check(404, FailureKind::Permanent, true).await;
}

#[tokio::test]
async fn overload_that_does_not_pass_is_transient() {
    check(429, FailureKind::Transient, false).await;
}

#[tokio::test]
async fn a_slow_model_is_a_timeout_and_its_tokens_are_estimated() {
    let fault = always(Fault::SlowFirstByte(Duration::from_secs(30)));
    let mut world = World::new(Family::Swallowing, Quirk::None, fault).await;
    world.settings.answer_seconds = 0.05;
    let evaluation = world.run().await;
    assert_eq!(failure(&evaluation).kind, FailureKind::Timeout);
    assert!(evaluation.usage.unknown_tokens > 0);
}

#[tokio::test]
async fn a_refusal_is_a_failure_of_its_own_kind() {
    let world = World::new(Family::Swallowing, Quirk::None, always(Fault::Refusal)).await;
    assert_eq!(failure(&world.run().await).kind, FailureKind::Refused);
}

#[tokio::test]
async fn a_provider_that_is_down_pauses_the_run() {
    let fault = always(Fault::status(503));
    let mut world = World::new(Family::Swallowing, Quirk::None, fault).await;
    world.outage_seconds = 0.02;
    world.policy.max_attempts = Some(1000);
    let evaluation = world.run().await;
    assert!(evaluation.provider_down, "{evaluation:?}");
    assert_eq!(failure(&evaluation).kind, FailureKind::Transient);
}

#[tokio::test]
async fn a_provider_down_for_longer_than_the_app_waits_pauses_the_run_at_the_last_attempt() {
    let fault = always(Fault::status(503));
    let mut world = World::new(Family::Swallowing, Quirk::None, fault).await;
    world.policy.max_attempts = Some(1000);
    world.settings.answer_seconds = 0.2;
    let first = world.run().await;
    assert!(!first.provider_down);
    assert_eq!(failure(&first).kind, FailureKind::Transient);
    let last = RolloutRequest {
        attempt: 3,
        ..rollout(good(true), 3)
    };
    assert!(world.run_as(last).await.provider_down);
}

#[tokio::test]
async fn a_failed_call_that_the_app_made_good_counts_for_nothing() {
    let faults = FaultPlan::none().at(0, Fault::status(400));
    let world = World::new(Family::Swallowing, Quirk::AsksAgain, faults).await;
    let evaluation = world.run().await;
    assert_eq!(scored(&evaluation).score, 1.0);
    assert_eq!(evaluation.usage.calls, 2);
}

#[tokio::test]
async fn the_providers_key_is_in_no_message() {
    let fault = Fault::Status {
        status: 400,
        retry_after: None,
        code: "x".to_owned(),
        message: format!("bad key {MODEL_KEY}"),
    };
    for family in [Family::Swallowing, Family::Propagating] {
        let world = World::new(family, Quirk::None, always(fault.clone())).await;
        let evaluation = world.run().await;
        assert!(!failure(&evaluation).message.contains(MODEL_KEY));
    }
}

#[tokio::test]
async fn a_pause_the_provider_asks_for_is_sat_out_before_the_next_rollout() {
    let pause = Fault::status_with_retry_after(429, RetryAfter::Seconds(1));
    let faults = FaultPlan::none().at(0, pause);
    let mut world = World::new(Family::Swallowing, Quirk::None, faults).await;
    world.settings.answer_seconds = 0.5;
    let evaluator = world.connect().await.unwrap();
    let first = evaluator.evaluate(rollout(good(true), 3)).await;
    assert_eq!(failure(&first).kind, FailureKind::Timeout);
    let second = evaluator.evaluate(rollout(good(true), 3)).await;
    assert_eq!(scored(&second).score, 1.0);
}
