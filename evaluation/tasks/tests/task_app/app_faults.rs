//! The app fails.

use std::time::Duration;

use gepa_evaluation::{Evaluator, FailureKind, RolloutRequest};
use gepa_testing::FaultPlan;

use crate::app::{APP_KEY, FakeApp, Family, Quirk};
use crate::support::{World, check_books, failure, good, rollout, scored};

async fn check(quirk: Quirk, kind: FailureKind, fatal: bool, part: &str) {
    let world = World::new(Family::Propagating, quirk, FaultPlan::none()).await;
    let evaluation = world.run().await;
    let failure = failure(&evaluation);
    assert_eq!((failure.kind, failure.fatal), (kind, fatal), "{failure:?}");
    assert!(failure.message.contains(part), "{failure:?}");
    assert!(!evaluation.provider_down);
    check_books(&world, &evaluation);
}

fn answers(status: u16, text: &str) -> Quirk {
    Quirk::Answers(status, text.to_owned())
}

#[tokio::test]
async fn error_answers_are_quoted_and_sorted_by_whether_they_may_pass() {
    let detail = r#"{"detail": "it broke"}"#;
    check(
        answers(500, detail),
        FailureKind::Transient,
        false,
        "it broke",
    )
    .await;
    check(
        answers(502, "Bad Gateway"),
        FailureKind::Transient,
        false,
        "Bad Gateway",
    )
    .await;
    check(answers(429, detail), FailureKind::Transient, false, "429").await;
    check(
        answers(422, detail),
        FailureKind::Permanent,
        false,
        "it broke",
    )
    .await;
    check(answers(404, detail), FailureKind::Permanent, false, "404").await;
}

#[tokio::test]
async fn answers_without_a_usable_reward_are_failures() {
    check(
        answers(200, "{}"),
        FailureKind::Permanent,
        false,
        "no reward",
    )
    .await;
    check(
        answers(200, "<html>"),
        FailureKind::Permanent,
        false,
        "not valid JSON",
    )
    .await;
    let infinite = r#"{"metrics": {"outcome_score": NaN}}"#;
    check(
        answers(200, infinite),
        FailureKind::Permanent,
        false,
        "not valid JSON",
    )
    .await;
    let huge = r#"{"metrics": {"outcome_score": 1e300}}"#;
    check(answers(200, huge), FailureKind::Permanent, false, "score").await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    check(
        Quirk::Redirects,
        FailureKind::Permanent,
        true,
        "redirects are not followed",
    )
    .await;
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_refused() {
    let quirk = Quirk::Huge(33 * 1024 * 1024);
    check(quirk, FailureKind::Permanent, false, "32 MiB").await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_transient() {
    check(
        Quirk::EarlyClose,
        FailureKind::Transient,
        false,
        "broke off",
    )
    .await;
}

#[tokio::test]
async fn an_app_that_ignores_the_address_it_was_given_is_fatal() {
    check(
        Quirk::IgnoresInference,
        FailureKind::Permanent,
        true,
        "inference_url",
    )
    .await;
}

#[tokio::test]
async fn a_reply_the_app_lost_is_no_score_of_zero() {
    let world = World::new(Family::Swallowing, Quirk::LosesReplies, FaultPlan::none()).await;
    let evaluation = world.run().await;
    assert_eq!(failure(&evaluation).kind, FailureKind::Transient);
    check_books(&world, &evaluation);
}

#[tokio::test]
async fn an_app_that_hangs_up_on_the_model_is_no_score_of_zero() {
    let slow = gepa_testing::Fault::SlowFirstByte(Duration::from_secs(30));
    let faults = FaultPlan::none().from(0, slow);
    let world = World::new(Family::Swallowing, Quirk::HangsUp, faults).await;
    let evaluation = world.run().await;
    assert_eq!(failure(&evaluation).kind, FailureKind::Transient);
    assert!(evaluation.usage.unknown_tokens > 0);
}

#[tokio::test]
async fn a_slow_app_is_a_timeout() {
    let mut world = World::new(Family::Swallowing, Quirk::Hangs, FaultPlan::none()).await;
    world.rollout_limit = Duration::from_millis(50);
    let evaluation = world.run().await;
    assert_eq!(failure(&evaluation).kind, FailureKind::Timeout);
}

#[tokio::test]
async fn an_app_that_is_down_is_retried_and_then_pauses_the_run() {
    let mut world = World::well(Family::Swallowing).await;
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    world.settings.url = format!("http://{address}");
    let evaluator = world.connect().await.unwrap();
    let first = evaluator.evaluate(rollout(good(true), 3)).await;
    assert_eq!(failure(&first).kind, FailureKind::Transient);
    assert!(!first.provider_down);
    let last = RolloutRequest {
        attempt: 3,
        ..rollout(good(true), 3)
    };
    assert!(evaluator.evaluate(last.clone()).await.provider_down);
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let _app = FakeApp::start_on(listener, Family::Swallowing, Quirk::None);
    assert_eq!(scored(&evaluator.evaluate(last).await).score, 1.0);
}

#[tokio::test]
async fn an_app_that_goes_away_before_the_first_score_pauses_the_run_at_the_second_attempt() {
    let mut world = World::well(Family::Swallowing).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = FakeApp::start_on(listener, Family::Swallowing, Quirk::None);
    world.settings.url = format!("http://{address}");
    let evaluator = world.connect().await.unwrap();
    evaluator.preflight().await.unwrap();
    drop(app);
    let attempt = |attempt| RolloutRequest {
        attempt,
        ..rollout(good(true), 3)
    };
    let first = evaluator.evaluate(attempt(1)).await;
    assert_eq!(failure(&first).kind, FailureKind::Transient);
    assert!(!first.provider_down);
    let second = evaluator.evaluate(attempt(2)).await;
    assert!(second.provider_down, "{:?}", second.outcome);
}

#[tokio::test]
async fn the_apps_key_is_in_no_message() {
    let text = format!(
        r#"{{"detail": "key {APP_KEY}, in short {}"}}"#,
        &APP_KEY[..15]
    );
    let world = World::new(Family::Propagating, answers(500, &text), FaultPlan::none()).await;
    let evaluation = world.run().await;
    let message = &failure(&evaluation).message;
    assert!(!message.contains(&APP_KEY[..15]), "{message}");
}
