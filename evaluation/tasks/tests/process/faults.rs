//! Every way of misbehaving is a typed failure with its reason.

use gepa_evaluation::{FailureKind, Outcome};
use gepa_tasks::process::{ProcessError, ProcessSettings};

use crate::setup::{check_failed, check_failure, outcome, shell, start};

const HELLO: &str = r#"echo '{"protocol": 1}'; "#;

/// A child that says hello, reads one request, and then runs `script`.
fn after_request(script: &str) -> ProcessSettings {
    shell(&format!("{HELLO} read -r request; {script}"))
}

#[tokio::test]
async fn a_child_that_dies_is_a_transient_failure_with_status_and_stderr() {
    let settings = after_request("echo 'out of luck' >&2; exit 3");
    check_failure(
        settings,
        FailureKind::Transient,
        &["died", "exit status: 3", "out of luck"],
    )
    .await;
}

#[tokio::test]
async fn a_child_that_hangs_is_killed_as_a_timeout() {
    let settings = ProcessSettings {
        timeout_seconds: 0.2,
        ..after_request("echo 'thinking' >&2; sleep 600")
    };
    check_failure(settings, FailureKind::Timeout, &["0.2 s", "thinking"]).await;
}

#[tokio::test]
async fn garbage_on_stdout_is_quoted() {
    let settings = after_request("echo 'debug: here'; sleep 600");
    check_failure(
        settings,
        FailureKind::Permanent,
        &["`debug: here`", "print anything else on stderr"],
    )
    .await;
}

#[tokio::test]
async fn an_endless_line_is_refused_without_being_held() {
    let settings = ProcessSettings {
        max_line_bytes: 4096,
        ..after_request("cat /dev/zero")
    };
    check_failure(settings, FailureKind::Permanent, &["more than 4096 bytes"]).await;
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_named() {
    let settings = after_request(r"printf '\377\376\n'; sleep 600");
    check_failure(settings, FailureKind::Permanent, &["not UTF-8"]).await;
}

#[tokio::test]
async fn scores_that_are_no_numbers_are_refused() {
    for (score, part) in [
        ("NaN", "JSON has no NaN"),
        ("Infinity", "no Infinity"),
        ("1e999", "out of range"),
        (
            "\"high\"",
            "`score` is the text \"high\"; it must be a number",
        ),
    ] {
        let script = format!(r#"echo '{{"id": 1, "score": {score}}}'; sleep 600"#);
        check_failure(after_request(&script), FailureKind::Permanent, &[part]).await;
    }
}

#[tokio::test]
async fn an_answer_to_another_request_is_refused() {
    let settings = after_request(r#"echo '{"id": 2, "score": 1}'; sleep 600"#);
    check_failure(
        settings,
        FailureKind::Permanent,
        &["answered request 2, while 1 was asked"],
    )
    .await;
}

#[tokio::test]
async fn answering_twice_fails_the_rollout_that_gets_the_second_answer() {
    let script = r#"while read -r request; do echo '{"id": 1, "score": 1}'; echo '{"id": 1, "score": 1}'; done"#;
    let evaluator = start(&shell(&format!("{HELLO} {script}"))).await.unwrap();
    assert_eq!(outcome(&evaluator).await, Outcome::score(1.0));
    let second = outcome(&evaluator).await;
    check_failed(
        &second,
        FailureKind::Permanent,
        &["answered request 1 again, while 2 was asked"],
    );
}

#[tokio::test]
async fn neither_or_both_of_score_and_error_are_refused() {
    let neither = after_request(r#"echo '{"id": 1}'; sleep 600"#);
    check_failure(neither, FailureKind::Permanent, &["neither"]).await;
    let both =
        after_request(r#"echo '{"id": 1, "score": 1, "error": {"message": "x"}}'; sleep 600"#);
    check_failure(both, FailureKind::Permanent, &["both"]).await;
}

#[tokio::test]
async fn an_error_reply_keeps_the_child_and_its_kind() {
    let script = r#"read -r request; echo '{"id": 1, "error": {"kind": "refused", "message": "not this one"}}'; read -r request; echo '{"id": 2, "score": 0.5}'; sleep 600"#;
    let evaluator = start(&shell(&format!("{HELLO} {script}"))).await.unwrap();
    check_failed(
        &outcome(&evaluator).await,
        FailureKind::Refused,
        &["not this one"],
    );
    assert_eq!(outcome(&evaluator).await, Outcome::score(0.5));
}

#[tokio::test]
async fn a_reply_with_a_field_that_makes_no_sense_keeps_the_child() {
    let script = r#"read -r request; echo '{"id": 1, "score": []}'; read -r request; echo; echo '{"id": 2, "score": true, "feedback": ["a"]}'; sleep 600"#;
    let evaluator = start(&shell(&format!("{HELLO} {script}"))).await.unwrap();
    check_failed(
        &outcome(&evaluator).await,
        FailureKind::Permanent,
        &["`score` is the list []"],
    );
    let second = outcome(&evaluator).await;
    let scored = second.scored().unwrap();
    assert_eq!(
        (scored.score, scored.feedback.as_deref()),
        (1.0, Some("[\"a\"]"))
    );
}

#[tokio::test]
async fn the_last_line_of_stderr_comes_first() {
    let settings = after_request(r"printf 'Traceback:\n  line 5\nKeyError: 1\n' >&2; exit 3");
    let parts = ["stderr ends with: KeyError: 1; before that: Traceback:"];
    check_failure(settings, FailureKind::Transient, &parts).await;
}

#[tokio::test]
async fn a_hello_without_a_flush_reaches_the_engine_from_python() {
    let program = "import time; print('{\"protocol\": 1}'); time.sleep(600)";
    let settings = ProcessSettings {
        processes: 1,
        ..ProcessSettings::for_command(["python3", "-c", program])
    };
    start(&settings).await.unwrap();
}

#[tokio::test]
async fn a_dead_child_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("second");
    let script = format!(
        r#"{HELLO} read -r request; if [ -e {path} ]; then echo '{{"id": 1, "score": 1}}'; else touch {path}; exit 1; fi; read -r request"#,
        path = marker.display()
    );
    let evaluator = start(&shell(&script)).await.unwrap();
    check_failed(
        &outcome(&evaluator).await,
        FailureKind::Transient,
        &["died"],
    );
    assert_eq!(outcome(&evaluator).await, Outcome::score(1.0));
}

#[tokio::test]
async fn a_command_that_cannot_work_is_found_at_start() {
    let missing = start(&ProcessSettings::for_command(["no-such-program-here"])).await;
    assert!(matches!(missing, Err(ProcessError::CannotSpawn { .. })));
    let dying = start(&shell("echo 'no licence' >&2; exit 9"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        dying.contains("exit status: 9") && dying.contains("no licence"),
        "{dying}"
    );
    let other = start(&shell(r#"echo '{"protocol": 3}'; sleep 600"#))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        other.contains("it speaks protocol 3, this engine speaks 1 and 2"),
        "{other}"
    );
    for hello in ["[1]", "1", "{}"] {
        let script = format!("echo '{hello}'; sleep 600");
        let refused = start(&shell(&script)).await.unwrap_err().to_string();
        assert!(
            refused.contains("its first line must be {\"protocol\": 1}"),
            "{refused}"
        );
    }
    let empty_batch = start(&shell(r#"echo '{"protocol": 2, "batch": 0}'; sleep 600"#))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        empty_batch.contains("its `batch` must be at least 1"),
        "{empty_batch}"
    );
    let silent = ProcessSettings {
        start_timeout_seconds: 0.2,
        ..shell("sleep 600")
    };
    let late = start(&silent).await.unwrap_err().to_string();
    for part in [
        "did not say hello within 0.2 s",
        "flush",
        "`evaluator.start_timeout_seconds`",
    ] {
        assert!(late.contains(part), "{late}");
    }
    let empty = start(&ProcessSettings::for_command(Vec::<String>::new())).await;
    assert!(matches!(empty, Err(ProcessError::BadSettings(_))));
}

#[tokio::test]
async fn a_child_that_stops_starting_fails_each_rollout_and_not_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("started");
    let script = format!(
        "if [ -e {path} ]; then echo 'gone bad' >&2; exit 1; fi; touch {path}; {HELLO} read -r request; exit 1",
        path = marker.display()
    );
    let evaluator = start(&shell(&script)).await.unwrap();
    check_failed(
        &outcome(&evaluator).await,
        FailureKind::Transient,
        &["died"],
    );
    for _ in 0..2 {
        let later = outcome(&evaluator).await;
        check_failed(
            &later,
            FailureKind::Transient,
            &["did not become ready", "gone bad"],
        );
    }
}
