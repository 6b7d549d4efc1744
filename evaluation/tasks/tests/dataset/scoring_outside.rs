//! Scorers that ask another party: a judge model or a program.

use std::path::Path;
use std::sync::Arc;

use gepa_evaluation::{
    ChatRequest, Completion, ExampleId, FailureKind, FinishReason, ModelError, ModelErrorKind,
    Purpose, Usage,
};
use gepa_tasks::scorer::{Judgement, Scorer, ScorerInput, ScorerSettings};
use gepa_testing::ScriptedModel;

async fn score(scorer: &Scorer) -> Judgement {
    scorer
        .score(&ScorerInput {
            example: &ExampleId::Seed(1),
            input: "text: in {expected}",
            output: "out",
            expected: Some("right"),
        })
        .await
}

fn judge(model: ScriptedModel) -> Scorer {
    let settings = ScorerSettings::LlmJudge {
        prompt: "{input}|{output}|{expected}".to_owned(),
    };
    Scorer::new(&settings, Path::new("."), Some(Arc::new(model))).unwrap()
}

fn shell(script: &str, timeout_seconds: f64) -> Scorer {
    let settings = ScorerSettings::Command {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        timeout_seconds,
        deterministic: false,
        lasting: false,
        processes: 1,
    };
    Scorer::new(&settings, Path::new("."), None).unwrap()
}

async fn check_failure(scorer: &Scorer, kind: FailureKind, part: &str) {
    let failure = score(scorer).await.verdict.unwrap_err();
    assert_eq!(failure.kind, kind, "{}", failure.message);
    assert!(failure.message.contains(part), "{}", failure.message);
}

#[tokio::test]
async fn the_judge_sees_all_three_parts_and_its_tokens_are_kept() {
    let seen = |request: &ChatRequest| {
        assert_eq!(request.purpose, Purpose::Judge);
        assert_eq!(request.messages[0].content, "text: in {expected}|out|right");
        "```json\n{\"score\": 0.25, \"feedback\": \"half of half\"}\n```".to_owned()
    };
    let judgement = score(&judge(ScriptedModel::answering(seen))).await;
    let verdict = judgement.verdict.unwrap();
    assert_eq!(
        (verdict.score, verdict.feedback.as_deref()),
        (0.25, Some("half of half"))
    );
    assert_eq!(judgement.usage.total_tokens(), 15);
}

#[tokio::test]
async fn a_score_line_will_do_and_anything_else_is_a_failure() {
    let lines = judge(ScriptedModel::answering(|_| {
        "Clear.\n**Score:** 1".to_owned()
    }));
    assert_eq!(score(&lines).await.verdict.unwrap().score, 1.0);
    for reply in [
        "good",
        "Score: 2",
        "{\"score\": -0.1}",
        "{\"points\": 1}",
        "Score: NaN",
        "",
    ] {
        let bad = judge(ScriptedModel::answering(move |_| reply.to_owned()));
        check_failure(&bad, FailureKind::Transient, "no score from 0 to 1").await;
        assert_eq!(
            score(&bad).await.usage.calls,
            3,
            "judging was paid for all the same"
        );
    }
}

#[tokio::test]
async fn only_the_judge_is_asked_again_and_told_what_was_missing() {
    let unsure = judge(ScriptedModel::answering(|request| {
        match request.messages.get(1).map(|complaint| &complaint.content) {
            None => "rather good".to_owned(),
            Some(complaint) => {
                assert!(complaint.contains("no score") && complaint.contains("`rather good`"));
                "Score: 0.75.".to_owned()
            }
        }
    }));
    let judgement = score(&unsure).await;
    assert_eq!(judgement.verdict.unwrap().score, 0.75);
    assert_eq!(judgement.usage.calls, 2);
}

fn ended(text: &str, finish_reason: FinishReason) -> Completion {
    Completion {
        text: text.to_owned(),
        reasoning: None,
        finish_reason,
        tool_calls: Vec::new(),
        usage: Usage::default(),
    }
}

#[tokio::test]
async fn a_reply_of_the_judge_that_did_not_end_normally_is_not_scored_but_asked_again() {
    for (text, end, said) in [
        (
            "Good answer.\nScore: 0.",
            FinishReason::Length,
            "token limit",
        ),
        (
            "{\"feedback\": \"fine\", \"score\": 0",
            FinishReason::Length,
            "raise `judge.max_tokens`",
        ),
        ("Score: 0.1", FinishReason::ToolCalls, "calls tools"),
        (
            "Score: 0.1",
            FinishReason::Other("missing".to_owned()),
            "(finish reason `missing`)",
        ),
    ] {
        let cut = end.clone();
        let always = judge(ScriptedModel::new(move |_| Ok(ended(text, cut.clone()))));
        check_failure(&always, FailureKind::Transient, said).await;
        let once = judge(ScriptedModel::new(move |request| {
            Ok(match request.messages.len() {
                1 => ended(text, end.clone()),
                _ => ended("Score: 0.85", FinishReason::Stop),
            })
        }));
        assert_eq!(score(&once).await.verdict.unwrap().score, 0.85, "{text}");
    }
}

#[tokio::test]
async fn a_judge_whose_calls_fail_is_no_fault_of_the_candidate() {
    for (kind, failure) in [
        (ModelErrorKind::Permanent, FailureKind::Transient),
        (ModelErrorKind::Timeout, FailureKind::Transient),
        (ModelErrorKind::KeyRejected, FailureKind::Permanent),
        (ModelErrorKind::Refused, FailureKind::Refused),
    ] {
        let failing = judge(ScriptedModel::new(move |_| {
            Err(ModelError {
                kind,
                message: "no".to_owned(),
                usage: Usage::default(),
            })
        }));
        check_failure(&failing, failure, "the judge failed: no").await;
    }
}

fn python(expression: &str) -> Scorer {
    let settings = ScorerSettings::Python {
        expression: expression.to_owned(),
        python: "python3".to_owned(),
        processes: 1,
        timeout_seconds: 20.0,
        deterministic: true,
    };
    Scorer::new(&settings, Path::new("."), None).unwrap()
}

#[tokio::test]
async fn a_python_expression_gives_a_number_a_truth_value_or_feedback_with_it() {
    for (expression, expected, feedback) in [
        ("len(output) / 6", 0.5, None),
        ("output == expected", 0.0, None),
        (
            "(math.sqrt(0.25), f'{output} is half')",
            0.5,
            Some("out is half"),
        ),
        ("{'score': 1, 'feedback': str(example)}", 1.0, Some("1")),
    ] {
        let scorer = python(expression);
        scorer.start().await.unwrap();
        let verdict = score(&scorer).await.verdict.unwrap();
        assert_eq!(verdict.score, expected, "{expression}");
        assert_eq!(verdict.feedback.as_deref(), feedback, "{expression}");
    }
}

#[tokio::test]
async fn a_python_expression_that_raises_fails_its_answers_and_a_broken_one_the_start() {
    let raising = python("1 / 0");
    for _ in 0..2 {
        check_failure(&raising, FailureKind::Permanent, "ZeroDivisionError").await;
    }
    let broken = python("output ==").start().await.unwrap_err().to_string();
    assert!(broken.contains("SyntaxError"), "{broken}");
}

#[tokio::test]
async fn a_lasting_program_is_started_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("starts");
    let script = format!(
        r#"echo started >> {}; echo '{{"protocol": 1}}'; n=0; while read -r line; do n=$((n+1)); echo "{{\"id\": $n, \"score\": 0.5}}"; done"#,
        log.display()
    );
    let settings = ScorerSettings::Command {
        command: vec!["sh".to_owned(), "-c".to_owned(), script],
        timeout_seconds: 20.0,
        deterministic: false,
        lasting: true,
        processes: 1,
    };
    let scorer = Scorer::new(&settings, Path::new("."), None).unwrap();
    for _ in 0..3 {
        assert_eq!(score(&scorer).await.verdict.unwrap().score, 0.5);
    }
    assert_eq!(std::fs::read_to_string(log).unwrap(), "started\n");
}

fn lasting(script: &str) -> Scorer {
    let settings = ScorerSettings::Command {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        timeout_seconds: 20.0,
        deterministic: false,
        lasting: true,
        processes: 1,
    };
    Scorer::new(&settings, Path::new("."), None).unwrap()
}

#[tokio::test]
async fn a_lasting_program_says_itself_whether_its_failure_may_pass() {
    for (error, kind) in [
        (
            r#"{"kind": "transient", "message": "busy"}"#,
            FailureKind::Transient,
        ),
        (
            r#"{"kind": "timeout", "message": "busy"}"#,
            FailureKind::Timeout,
        ),
        (
            r#"{"kind": "refused", "message": "busy"}"#,
            FailureKind::Refused,
        ),
        (
            r#"{"kind": "permanent", "message": "busy"}"#,
            FailureKind::Permanent,
        ),
        (r#"{"message": "busy"}"#, FailureKind::Permanent),
        (r#""busy""#, FailureKind::Permanent),
    ] {
        let script = format!(
            r#"echo '{{"protocol": 1}}'; read -r line; echo '{{"id": 1, "error": {error}}}'; read -r line"#
        );
        check_failure(&lasting(&script), kind, "the scorer: busy").await;
    }
}

#[tokio::test]
async fn a_program_that_dies_over_an_answer_may_score_it_at_the_next_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let died = folder.path().join("died");
    for last_words in ["exit 3", "kill -9 $$"] {
        let script = format!(
            r#"echo '{{"protocol": 1}}'; read -r line
            if [ ! -e {0} ]; then touch {0}; {last_words}; fi
            echo '{{"id": 1, "score": 0.5}}'; read -r line"#,
            died.display()
        );
        let scorer = lasting(&script);
        check_failure(&scorer, FailureKind::Transient, "died before it answered").await;
        assert_eq!(score(&scorer).await.verdict.unwrap().score, 0.5);
        std::fs::remove_file(&died).unwrap();
    }
}

#[tokio::test]
async fn a_judge_that_is_down_pauses_the_run() {
    let down = judge(ScriptedModel::new(|_| {
        Err(ModelError {
            kind: ModelErrorKind::ProviderDown,
            message: "no connection".to_owned(),
            usage: Usage::default(),
        })
    }));
    assert!(score(&down).await.provider_down);
    check_failure(
        &down,
        FailureKind::Transient,
        "the judge failed: no connection",
    )
    .await;
}

#[tokio::test]
async fn a_program_reads_json_and_prints_a_verdict() {
    let echo = shell(
        r#"grep -q '"output":"out","expected":"right"' && echo '{"score": 0.5, "feedback": "seen", "objectives": {"speed": 2}}'"#,
        20.0,
    );
    let verdict = score(&echo).await.verdict.unwrap();
    assert_eq!(
        (verdict.score, verdict.feedback.as_deref()),
        (0.5, Some("seen"))
    );
    assert_eq!(verdict.objectives.get("speed"), Some(&2.0));
    let deaf = shell("echo '{\"score\": 1}'", 20.0);
    assert_eq!(score(&deaf).await.verdict.unwrap().score, 1.0);
}

#[tokio::test]
async fn a_programs_reply_is_read_as_that_of_a_process_evaluator() {
    for (reply, expected) in [
        (r#"{"score": "1"}"#, 1.0),
        (r#"{"score": true, "error": ""}"#, 1.0),
        ("{\n  \"score\": 0.5,\n  \"feedback\": null\n}", 0.5),
    ] {
        let program = shell(&format!("echo '{reply}'"), 20.0);
        assert_eq!(score(&program).await.verdict.unwrap().score, expected);
    }
    let paid = r#"{"score": 1, "usage": {"calls": 1, "prompt_tokens": 7, "cost_usd": 0.5}}"#;
    let judgement = score(&shell(&format!("echo '{paid}'"), 20.0)).await;
    assert_eq!(judgement.usage.total_tokens(), 7);
    for (reply, kind, said) in [
        (r#"{"error": "x"}"#, FailureKind::Permanent, "an error: x"),
        (
            r#"{"error": {"kind": "refused", "message": "x"}}"#,
            FailureKind::Refused,
            "an error: x",
        ),
        ("[1]", FailureKind::Permanent, "one object"),
        (r#"[1, "f"]"#, FailureKind::Permanent, "one object"),
        ("true", FailureKind::Permanent, "one object"),
        ("0.5", FailureKind::Permanent, "one object"),
        ("{}", FailureKind::Permanent, "neither `score` nor `error`"),
        (
            r#"{"score": "high"}"#,
            FailureKind::Permanent,
            "`score` is the text",
        ),
        (
            r#"{"score": [1]}"#,
            FailureKind::Permanent,
            "`score` is the list",
        ),
    ] {
        check_failure(&shell(&format!("echo '{reply}'"), 20.0), kind, said).await;
    }
}

#[tokio::test]
async fn programs_that_misbehave_are_typed_failures() {
    check_failure(
        &shell("sleep 600 & sleep 600", 0.2),
        FailureKind::Timeout,
        "within 0.2 s",
    )
    .await;
    let dying = shell("echo 'no model' >&2; exit 4", 20.0);
    check_failure(
        &dying,
        FailureKind::Permanent,
        "exit status: 4; stderr ends with: no model",
    )
    .await;
    check_failure(
        &shell("kill -9 $$", 20.0),
        FailureKind::Transient,
        "ended with signal: 9",
    )
    .await;
    check_failure(
        &shell("echo fine", 20.0),
        FailureKind::Permanent,
        "printed `fine`",
    )
    .await;
    check_failure(
        &shell("cat /dev/zero", 20.0),
        FailureKind::Permanent,
        "more than 1048576 bytes",
    )
    .await;
    let settings = ScorerSettings::Command {
        command: vec!["no-such-program-here".to_owned()],
        timeout_seconds: 1.0,
        deterministic: true,
        lasting: false,
        processes: 1,
    };
    let missing = Scorer::new(&settings, Path::new("."), None).unwrap();
    check_failure(&missing, FailureKind::Permanent, "cannot start").await;
}

#[tokio::test]
async fn a_program_with_a_folder_starts_at_the_config_files_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    let link = folder.path().join("bin/shell");
    std::os::unix::fs::symlink("/bin/sh", link).unwrap();
    std::fs::write(folder.path().join("verdict.json"), "{\"score\": 0.75}").unwrap();
    let settings = ScorerSettings::Command {
        command: ["bin/shell", "-c", "cat verdict.json"]
            .map(str::to_owned)
            .to_vec(),
        timeout_seconds: 20.0,
        deterministic: true,
        lasting: false,
        processes: 1,
    };
    let scorer = Scorer::new(&settings, folder.path(), None).unwrap();
    assert_eq!(score(&scorer).await.verdict.unwrap().score, 0.75);
    assert!(scorer.is_deterministic());
}
