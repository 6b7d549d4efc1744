//! Children written as shell or Python one-liners, and requests to them.

use std::path::Path;
use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::{Evaluator, ExampleId, Failure, FailureKind, Outcome, RolloutRequest, Stage};
use gepa_tasks::process::{ProcessError, ProcessEvaluator, ProcessSettings};

/// Settings for one shell child.
pub(crate) fn shell(script: &str) -> ProcessSettings {
    ProcessSettings {
        processes: 1,
        timeout_seconds: 20.0,
        ..ProcessSettings::for_command(["sh", "-c", script])
    }
}

pub(crate) async fn start(settings: &ProcessSettings) -> Result<ProcessEvaluator, ProcessError> {
    ProcessEvaluator::start(settings, Path::new("."), None).await
}

pub(crate) fn request(example: u64) -> RolloutRequest {
    RolloutRequest {
        candidate: Arc::new(Candidate::new([("words", "please")]).unwrap()),
        example: ExampleId::Seed(example),
        run_id: "pl_0000000000000001".into(),
        trial_id: "trial".into(),
        stage: Stage::MinibatchParent,
        iteration: 1,
        trial_index: 0,
        attempt: 1,
    }
}

pub(crate) async fn outcome(evaluator: &ProcessEvaluator) -> Outcome {
    evaluator.evaluate(request(7)).await.outcome
}

/// Starts a child, runs one rollout, and checks kind and message of its failure.
pub(crate) async fn check_failure(settings: ProcessSettings, kind: FailureKind, parts: &[&str]) {
    let evaluator = start(&settings).await.unwrap();
    check_failed(&outcome(&evaluator).await, kind, parts);
}

pub(crate) fn check_failed(outcome: &Outcome, expected: FailureKind, parts: &[&str]) {
    let Outcome::Failed(Failure { kind, message, .. }) = outcome else {
        panic!("expected a failure, got {outcome:?}");
    };
    assert_eq!(*kind, expected, "{message}");
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}
