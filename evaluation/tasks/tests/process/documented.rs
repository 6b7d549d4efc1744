//! The evaluators of the documentation do what it says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gepa_evaluation::{Evaluator, FailureKind, Outcome, Scored};
use gepa_tasks::dataset::{Dataset, DatasetSettings};
use gepa_tasks::process::{ProcessEvaluator, ProcessSettings};

use crate::setup::{check_failed, request};

pub(crate) fn documented(program: &str, script: &str) -> ProcessSettings {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/examples/process")
        .join(script);
    ProcessSettings::for_command([program.to_owned(), path.to_string_lossy().into_owned()])
}

pub(crate) fn messages(folder: &Path) -> Arc<Dataset> {
    let rows = "text,answer\nplease call now,spam\nsee you soon,ham\n";
    std::fs::write(folder.join("messages.csv"), rows).unwrap();
    let settings = DatasetSettings::for_path("messages.csv");
    Arc::new(Dataset::load(&settings, folder).unwrap())
}

#[tokio::test]
async fn the_python_example_scores_with_feedback_output_objectives_and_trace() {
    let folder = tempfile::tempdir().unwrap();
    let settings = documented("python3", "evaluator.py");
    let dataset = messages(folder.path());
    let evaluator = ProcessEvaluator::start(&settings, folder.path(), Some(dataset))
        .await
        .unwrap();
    let expected = Scored {
        score: 1.0,
        objectives: [("brevity".into(), 0.5)].into_iter().collect(),
        feedback: Some("The expected answer is `spam`; words found: ['please'].".to_owned()),
        output: Some("spam".to_owned()),
        trace: Some(serde_json::json!({
            "Inputs": {"text": "please call now"},
            "Words found": ["please"],
        })),
    };
    let first = evaluator.evaluate(request(0)).await;
    assert_eq!(first.outcome, Outcome::Scored(expected));
    assert!(first.usage.is_zero());
    let unknown = evaluator.evaluate(request(99)).await;
    check_failed(
        &unknown.outcome,
        FailureKind::Permanent,
        &["no example `99`"],
    );
    evaluator.shutdown().await;
}

#[tokio::test]
async fn the_python_example_reports_a_request_it_cannot_use() {
    let settings = documented("python3", "evaluator.py");
    let evaluator = ProcessEvaluator::start(&settings, &PathBuf::new(), None)
        .await
        .unwrap();
    let outcome = evaluator.evaluate(request(0)).await.outcome;
    check_failed(
        &outcome,
        FailureKind::Permanent,
        &["no 'fields' in the request"],
    );
}

#[tokio::test]
async fn the_shell_example_answers_many_requests_in_parallel() {
    let settings = documented("sh", "evaluator.sh");
    let evaluator = Arc::new(
        ProcessEvaluator::start(&settings, Path::new("."), None)
            .await
            .unwrap(),
    );
    let rollouts = (0..40).map(|example| {
        let evaluator = Arc::clone(&evaluator);
        tokio::spawn(async move { evaluator.evaluate(request(example)).await.outcome })
    });
    for rollout in rollouts.collect::<Vec<_>>() {
        let outcome = rollout.await.unwrap();
        let scored = outcome.scored().unwrap();
        assert_eq!(
            (scored.score, scored.feedback.as_deref()),
            (1.0, Some("Polite."))
        );
    }
}
