//! Apps that make several calls, each with an instruction of its own.

use gepa_archive::Candidate;
use gepa_evaluation::FailureKind;
use gepa_testing::{Fault, FaultPlan};
use serde_json::json;

use crate::app::{CALIBRATOR, CLASSIFIER, Family, Quirk};
use crate::support::{World, check_books, failure, good, rollout, scored, seed};

#[tokio::test]
async fn each_call_gets_the_instruction_of_its_module() {
    let world = World::well(Family::Pipeline).await;
    let evaluation = world.run().await;
    assert_eq!(scored(&evaluation).score, 1.0);
    let calls = world.model.ledger().recent;
    let intents = "\n\nAvailable Intents:\n0\n1";
    assert_eq!(calls[0].message(0), format!("Good classifier.{intents}"));
    assert_eq!(calls[1].message(0), format!("Good calibrator.{intents}"));
    check_books(&world, &evaluation);
    assert_eq!(evaluation.usage.calls, 2);
}

#[tokio::test]
async fn the_app_is_given_the_seeds_instructions_and_they_are_replaced_in_its_calls() {
    let mut world = World::new(Family::Pipeline, Quirk::ReadsModules, FaultPlan::none()).await;
    for module in &mut world.settings.pipeline {
        module.baseline = None;
    }
    for (candidate, expected) in [
        (seed(false), [CLASSIFIER, CALIBRATOR]),
        (good(false), ["Good classifier.", "Good calibrator."]),
    ] {
        let evaluation = world.run_as(rollout(candidate, 3)).await;
        scored(&evaluation);
        let calls = world.model.ledger().recent;
        let last = &calls[calls.len() - 2..];
        for (stage, text) in expected.into_iter().enumerate() {
            let sent = format!(
                "You are stage {stage}.\n\n{text}\n\n0 examples\n\nAvailable Intents:\n0\n1"
            );
            assert_eq!(last[stage].message(0), sent);
        }
    }
}

#[tokio::test]
async fn modules_of_the_config_reach_the_app_as_they_are() {
    let mut world = World::new(Family::Pipeline, Quirk::ReadsModules, FaultPlan::none()).await;
    let modules = json!({"prompt_metadata": {"pipeline_modules": [
        {"name": "classifier", "instruction_text": CLASSIFIER, "few_shots": [{"input": "a"}]},
        {"name": "calibrator", "instruction_text": CALIBRATOR},
    ]}});
    let config = &mut world.settings.policy_config;
    config.insert("prompt_template".to_owned(), modules);
    scored(&world.run().await);
    let calls = world.model.ledger().recent;
    let start = "You are stage 0.\n\nGood classifier.\n\n1 examples";
    assert!(
        calls[0].message(0).starts_with(start),
        "{}",
        calls[0].message(0)
    );
}

#[tokio::test]
async fn a_rollout_fails_where_text_of_the_app_would_be_lost() {
    let mut world = World::well(Family::Pipeline).await;
    for module in &mut world.settings.pipeline {
        module.baseline = Some("what the app never says".to_owned());
    }
    let evaluation = world.run().await;
    let failure = failure(&evaluation);
    assert!(
        failure.fatal && failure.message.contains("lose text of the app"),
        "{failure:?}"
    );
    assert_eq!(world.model.ledger().recent.len(), 0);
}

#[tokio::test]
async fn modules_without_a_known_text_are_told_by_their_order_if_forced() {
    let mut world = World::well(Family::Pipeline).await;
    world.settings.force_system = true;
    for module in &mut world.settings.pipeline {
        module.baseline = Some(String::new());
    }
    let candidate = Candidate::new([("classifier", "Good A"), ("calibrator", "Bad B")]).unwrap();
    let evaluation = world.run_as(rollout(candidate, 3)).await;
    assert_eq!(scored(&evaluation).score, 0.0);
    let calls = world.model.ledger().recent;
    assert_eq!(
        (calls[0].message(0), calls[1].message(0)),
        ("Good A", "Bad B")
    );
}

#[tokio::test]
async fn a_call_the_app_repeats_stays_the_call_of_its_module() {
    let faults = FaultPlan::none().at(0, Fault::status(400));
    let mut world = World::new(Family::Pipeline, Quirk::AsksAgain, faults).await;
    world.settings.force_system = true;
    for module in &mut world.settings.pipeline {
        module.baseline = Some(String::new());
    }
    assert_eq!(scored(&world.run().await).score, 1.0);
    let texts: Vec<String> = world
        .model
        .ledger()
        .recent
        .iter()
        .map(|call| call.message(0).to_owned())
        .collect();
    assert_eq!(
        texts,
        ["Good classifier.", "Good classifier.", "Good calibrator."]
    );
}

#[tokio::test]
async fn each_component_is_shown_its_own_calls() {
    let world = World::well(Family::Pipeline).await;
    let evaluation = world.run().await;
    let trace = scored(&evaluation).trace.clone().unwrap();
    let output = "{\"label\":\"1\"}";
    assert_eq!(
        trace["components"],
        json!({
            "classifier": {
                "Inputs": {"age": "3", "sex": "0"},
                "Generated Outputs": output,
            },
            "calibrator": {
                "Inputs": {"age": "3", "sex": "0", "suggested": "1"},
                "Generated Outputs": output,
            },
        })
    );
}

#[tokio::test]
async fn a_second_call_that_fails_fails_the_rollout_and_the_first_is_paid_for() {
    let faults = FaultPlan::none().from(1, Fault::status(400));
    let world = World::new(Family::Pipeline, Quirk::None, faults).await;
    let evaluation = world.run().await;
    assert_eq!(failure(&evaluation).kind, FailureKind::Permanent);
    assert_eq!(evaluation.usage.calls, 2);
    check_books(&world, &evaluation);
}
