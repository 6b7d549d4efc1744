//! Scorers that ask somebody else: a judge model, a program.

use std::path::Path;
use std::sync::Arc;

use gepa_evaluation::{
    ChatRequest, ExampleId, FailureKind, ModelError, ModelErrorKind, Purpose, Usage,
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
        check_failure(&bad, FailureKind::Permanent, "no score from 0 to 1").await;
        assert_eq!(
            score(&bad).await.usage.calls,
            1,
            "judging was paid for all the same"
        );
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
    };
    let scorer = Scorer::new(&settings, folder.path(), None).unwrap();
    assert_eq!(score(&scorer).await.verdict.unwrap().score, 0.75);
    assert!(scorer.is_deterministic());
}
