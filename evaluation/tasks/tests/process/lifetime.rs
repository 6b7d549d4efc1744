//! Children end with their evaluator, and with everything they started.

use std::path::Path;
use std::time::Duration;

use gepa_evaluation::{Evaluator, FailureKind, MicroUsd};
use gepa_tasks::process::ProcessSettings;

use crate::setup::{check_failed, outcome, request, shell, start};

/// Waits until the process whose number the file holds is gone; fails after ten seconds.
async fn wait_until_gone(pid_file: &Path) {
    for _ in 0..1000 {
        let pid = std::fs::read_to_string(pid_file).unwrap_or_default();
        let status = format!("/proc/{}/stat", pid.trim());
        let is_gone = match std::fs::read_to_string(status) {
            Err(_) => !pid.trim().is_empty(),
            // A zombie has ended; its parent has not waited for it yet.
            Ok(stat) => stat.contains(") Z "),
        };
        if is_gone {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the process is still there");
}

/// A child that starts a grandchild, writes down its number, and then runs `script`.
fn with_grandchild(folder: &Path, script: &str) -> ProcessSettings {
    shell(&format!(
        r#"sleep 600 & echo $! > {}; echo '{{"protocol": 1}}'; {script}"#,
        folder.join("pid").display()
    ))
}

#[tokio::test]
async fn dropping_the_evaluator_kills_grandchildren_too() {
    let folder = tempfile::tempdir().unwrap();
    let settings = with_grandchild(folder.path(), "cat > /dev/null; sleep 600");
    let evaluator = start(&settings).await.unwrap();
    drop(evaluator);
    wait_until_gone(&folder.path().join("pid")).await;
}

#[tokio::test]
async fn a_timeout_kills_grandchildren_too() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ProcessSettings {
        timeout_seconds: 0.2,
        ..with_grandchild(folder.path(), "sleep 600")
    };
    let evaluator = start(&settings).await.unwrap();
    check_failed(&outcome(&evaluator).await, FailureKind::Timeout, &[]);
    wait_until_gone(&folder.path().join("pid")).await;
}

#[tokio::test]
async fn cancelling_a_rollout_kills_its_child() {
    let folder = tempfile::tempdir().unwrap();
    let settings = with_grandchild(folder.path(), "read -r request; sleep 600");
    let evaluator = start(&settings).await.unwrap();
    let rollout = evaluator.evaluate(request(1));
    let cancelled = tokio::time::timeout(Duration::from_millis(100), rollout).await;
    assert!(cancelled.is_err());
    wait_until_gone(&folder.path().join("pid")).await;
}

#[tokio::test]
async fn shutdown_lets_a_child_end_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        r#"echo '{{"protocol": 1}}'; cat > /dev/null; touch {}"#,
        folder.path().join("ended").display()
    );
    let evaluator = start(&shell(&script)).await.unwrap();
    evaluator.shutdown().await;
    assert!(folder.path().join("ended").exists());
    check_failed(
        &outcome(&evaluator).await,
        FailureKind::Transient,
        &["shut down"],
    );
}

#[tokio::test]
async fn usage_settings_and_environment_reach_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"echo '{"protocol": 1}'; read -r request; echo "{\"id\": 1, \"score\": 1, \"output\": \"$GREETING $(basename "$PWD")\", \"usage\": {\"prompt_tokens\": 3, \"completion_tokens\": 4, \"cost_usd\": 0.25}}""#;
    std::fs::create_dir(folder.path().join("inside")).unwrap();
    let settings = ProcessSettings {
        env: [("GREETING".to_owned(), "hello".to_owned())]
            .into_iter()
            .collect(),
        directory: Some("inside".to_owned()),
        deterministic: true,
        ..shell(script)
    };
    let evaluator = gepa_tasks::process::ProcessEvaluator::start(&settings, folder.path(), None)
        .await
        .unwrap();
    let evaluation = evaluator.evaluate(request(1)).await;
    let scored = evaluation.outcome.scored().unwrap();
    assert_eq!(scored.output.as_deref(), Some("hello inside"));
    assert_eq!(evaluation.usage.calls, 1);
    assert_eq!(evaluation.usage.total_tokens(), 7);
    assert_eq!(evaluation.usage.cost, MicroUsd(250_000));
    assert!(evaluator.is_deterministic());
}

#[tokio::test]
async fn the_environment_is_shown_by_name_only() {
    let settings = ProcessSettings {
        env: [("TOKEN".to_owned(), "s3cret".to_owned())]
            .into_iter()
            .collect(),
        ..shell(r#"echo '{"protocol": 1}'; cat > /dev/null"#)
    };
    let evaluator = start(&settings).await.unwrap();
    let shown = format!("{settings:?} {evaluator:?}");
    assert!(
        shown.contains("TOKEN") && !shown.contains("s3cret"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_score_outside_of_the_declared_range_is_a_failure() {
    let script = r#"echo '{"protocol": 1}'; read -r request; echo '{"id": 1, "score": 69}'; read -r request; echo '{"id": 2, "score": 101}'; read -r request"#;
    let settings = ProcessSettings {
        score_range: Some([0.0, 100.0]),
        ..shell(script)
    };
    let evaluator = start(&settings).await.unwrap();
    assert_eq!(evaluator.score_range().unwrap().highest(), 100.0);
    assert_eq!(outcome(&evaluator).await.scored().unwrap().score, 69.0);
    check_failed(
        &outcome(&evaluator).await,
        FailureKind::Permanent,
        &["a score of 101, outside of its range from 0 to 100"],
    );
}
