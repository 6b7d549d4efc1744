//! Mistakes that are found before the first rollout.

use gepa_models::ApiKey;
use gepa_tasks::task_app::TaskAppError;
use gepa_testing::FaultPlan;

use crate::app::{APP_KEY, Family, Quirk};
use crate::support::{World, failure, good, rollout};

#[tokio::test]
async fn a_wrong_key_names_its_variable_and_shows_no_key() {
    let mut world = World::well(Family::Swallowing).await;
    world.key = Some(ApiKey::new("wrong-key-marker"));
    let error = world.connect().await.unwrap_err();
    assert!(matches!(error, TaskAppError::Unauthorised { .. }));
    assert!(!error.is_retryable());
    let message = error.to_string();
    assert!(message.contains("ENVIRONMENT_API_KEY"), "{message}");
    assert!(
        !message.contains("wrong-key") && !message.contains(&APP_KEY[..15]),
        "{message}"
    );
    world.key = None;
    let error = world.connect().await.unwrap_err();
    assert!(matches!(error, TaskAppError::MissingKey { .. }), "{error}");
}

#[tokio::test]
async fn an_unknown_split_is_answered_with_those_there_are() {
    let mut world = World::well(Family::Swallowing).await;
    world.settings.validation_split = Some("tset".to_owned());
    let error = world.connect().await.unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("`tset`") && message.contains("train, test"),
        "{message}"
    );
}

#[tokio::test]
async fn something_that_is_no_app_is_told_from_an_app_that_is_not_ready() {
    let world = World::new(Family::Swallowing, Quirk::Preflight(404), FaultPlan::none()).await;
    let error = world.connect().await.unwrap_err();
    assert!(matches!(error, TaskAppError::NotATaskApp { .. }), "{error}");
    let world = World::new(Family::Swallowing, Quirk::Preflight(503), FaultPlan::none()).await;
    let evaluator = world.connect().await.unwrap();
    assert!(evaluator.preflight().await.unwrap_err().is_retryable());
}

#[tokio::test]
async fn settings_out_of_range_are_refused() {
    let mut world = World::well(Family::Swallowing).await;
    world.settings.answer_seconds = 0.0;
    let error = world.connect().await.unwrap_err();
    assert!(error.to_string().contains("answer_seconds"), "{error}");
    world.settings.answer_seconds = 25.0;
    for url in [
        "",
        "127.0.0.1:80",
        "ftp://x",
        "http://u:p@x/",
        "http://x/?key=1",
    ] {
        url.clone_into(&mut world.settings.url);
        let error = world.connect().await.unwrap_err();
        assert!(matches!(error, TaskAppError::BadUrl(_)), "{url}: {error}");
    }
}

#[tokio::test]
async fn an_example_that_is_no_seed_is_fatal() {
    let world = World::well(Family::Swallowing).await;
    let mut request = rollout(good(true), 1);
    request.example = "row-7".into();
    let evaluation = world.run_as(request).await;
    assert!(failure(&evaluation).fatal);
}

#[tokio::test]
async fn debug_output_shows_no_key() {
    let world = World::well(Family::Swallowing).await;
    let evaluator = world.connect().await.unwrap();
    let text = format!("{evaluator:?}");
    assert!(!text.contains(&APP_KEY[..15]), "{text}");
}

#[tokio::test]
async fn what_an_app_says_about_its_version_and_its_data_is_known_once_it_has_answered() {
    let world = World::new(Family::Swallowing, Quirk::Version("1.0"), FaultPlan::none()).await;
    let evaluator = world.connect().await.unwrap();
    let facts = evaluator.facts().unwrap();
    assert_eq!(facts["task set version"], "1.0");
    assert_eq!(facts["task"], "fake");
    assert_eq!(facts["sizes"]["train"], 30);
    let silent = World::well(Family::Swallowing).await;
    assert!(silent.connect().await.unwrap().facts().unwrap().is_empty());
}
