//! One rollout of the dataset evaluator, from row to outcome.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gepa_archive::Candidate;
use gepa_evaluation::{
    Completion, Evaluation, Evaluator, ExampleId, FailureKind, FinishReason, LanguageModel,
    ModelError, ModelErrorKind, Outcome, PromptMessage, PromptTemplate, RolloutRequest, Stage,
    Usage,
};
use gepa_rulebook::RulebookModel;
use gepa_tasks::dataset::{Dataset, DatasetEvaluator, DatasetSettings};
use gepa_tasks::scorer::{Scorer, ScorerSettings};
use gepa_testing::ScriptedModel;

fn evaluator(policy: impl LanguageModel + 'static) -> DatasetEvaluator {
    let scorer: ScorerSettings = toml::from_str("kind = \"exact\"").unwrap();
    let scorer = Scorer::new(&scorer, Path::new("."), None).unwrap();
    evaluator_with(policy, scorer)
}

fn evaluator_with(policy: impl LanguageModel + 'static, scorer: Scorer) -> DatasetEvaluator {
    let folder = tempfile::tempdir().unwrap();
    let content = "text,note,answer\nfree prize,n1,spam\nsee you,n2,ham\n";
    std::fs::write(folder.path().join("a.csv"), content).unwrap();
    let settings = DatasetSettings::for_path("a.csv");
    let dataset = Arc::new(Dataset::load(&settings, folder.path()).unwrap());
    let message = |role: &str, component: Option<&str>, pattern: &str| PromptMessage {
        role: role.to_owned(),
        component: component.map(str::to_owned),
        pattern: pattern.to_owned(),
    };
    let prompt = PromptTemplate {
        messages: vec![
            message("system", Some("rules"), ""),
            message("user", None, "text: {text}"),
        ],
    };
    DatasetEvaluator::new(dataset, prompt, Arc::new(policy), scorer).unwrap()
}

async fn run(
    evaluator: &DatasetEvaluator,
    example: impl Into<ExampleId>,
    stage: Stage,
) -> Evaluation {
    evaluator.evaluate(request(example, stage)).await
}

fn request(example: impl Into<ExampleId>, stage: Stage) -> RolloutRequest {
    let rules = "- If the text contains \"free\", answer `spam`.\nOtherwise say `ham`.";
    RolloutRequest {
        candidate: Arc::new(Candidate::new([("rules", rules)]).unwrap()),
        example: example.into(),
        run_id: "pl_0000000000000001".into(),
        trial_id: "trial".into(),
        stage,
        iteration: 0,
        trial_index: 0,
        attempt: 1,
    }
}

#[tokio::test]
async fn a_rewriting_that_names_the_answer_gets_it_in_no_prompt() {
    let policy = ScriptedModel::answering(|request| {
        let prompt = &request.messages[0].content;
        assert_eq!(prompt, r"Use {note}, end with \boxed{answer} or {answer}.");
        "ham".to_owned()
    });
    let rewritten = r"Use {note}, end with \boxed{answer} or {answer}.";
    let request = RolloutRequest {
        candidate: Arc::new(Candidate::new([("rules", rewritten)]).unwrap()),
        ..request(0, Stage::MinibatchParent)
    };
    let evaluation = evaluator(policy).evaluate(request).await;
    let scored = evaluation.outcome.scored().unwrap();
    let shown = serde_json::json!({"Inputs": {"text": "free prize"}});
    assert_eq!((scored.score, scored.trace.as_ref()), (0.0, Some(&shown)));
}

fn replying(text: &'static str, finish_reason: FinishReason) -> ScriptedModel {
    ScriptedModel::new(move |_| {
        Ok(Completion {
            text: text.to_owned(),
            reasoning: None,
            finish_reason: finish_reason.clone(),
            tool_calls: vec![serde_json::json!({"name": "look"})],
            usage: Usage {
                calls: 1,
                prompt_tokens: 9,
                ..Usage::default()
            },
        })
    })
}

#[tokio::test]
async fn a_rollout_is_scored_with_a_trace_of_what_the_prompt_showed() {
    let rulebook = evaluator(RulebookModel);
    let evaluation = run(&rulebook, 0, Stage::MinibatchParent).await;
    let scored = evaluation.outcome.scored().unwrap();
    assert_eq!(scored.score, 1.0);
    assert_eq!(scored.output.as_deref(), Some("spam"));
    assert_eq!(
        scored.feedback.as_deref(),
        Some("Correct: the expected answer is `spam`.")
    );
    let shown = serde_json::json!({"Inputs": {"text": "free prize"}});
    assert_eq!(
        scored.trace,
        Some(shown),
        "neither the answer nor a field the prompt leaves out"
    );
    assert!(evaluation.usage.prompt_tokens > 0 && evaluation.usage.completion_tokens > 0);
    assert_eq!(evaluation.usage.cost.0, 0);
    assert!(rulebook.is_deterministic());
}

#[tokio::test]
async fn the_bound_covers_what_is_used_and_no_trace_is_built_unasked() {
    let rulebook = evaluator(RulebookModel);
    let evaluation = run(&rulebook, 1, Stage::Pareto).await;
    let scored = evaluation.outcome.scored().unwrap();
    assert_eq!((scored.score, scored.trace.as_ref()), (1.0, None));
    let request = RolloutRequest {
        candidate: Arc::new(Candidate::new([("rules", "x")]).unwrap()),
        example: 1.into(),
        run_id: "r".into(),
        trial_id: "t".into(),
        stage: Stage::Pareto,
        iteration: 0,
        trial_index: 0,
        attempt: 1,
    };
    let bound = rulebook.usage_bound(&request).unwrap();
    let used = rulebook.evaluate(request).await.usage;
    assert!(bound.tokens >= used.total_tokens());
}

#[tokio::test]
async fn refusals_and_unknown_examples_are_failures_with_their_usage() {
    let refusing = evaluator(replying("I cannot", FinishReason::Refusal));
    let refused = run(&refusing, 0, Stage::Pareto).await;
    let expected = Outcome::failed(
        FailureKind::Refused,
        "the model refused to answer: I cannot",
    );
    assert_eq!(refused.outcome, expected);
    assert_eq!(refused.usage.prompt_tokens, 9);
    let Outcome::Failed(unknown) = run(&refusing, "none", Stage::Pareto).await.outcome else {
        panic!("an example that is not there cannot be scored");
    };
    assert_eq!(unknown.kind, FailureKind::Permanent);
}

#[tokio::test]
async fn cut_off_and_tool_only_replies_are_scored_and_the_feedback_says_so() {
    let cut = evaluator(replying("spam", FinishReason::Length));
    let evaluation = run(&cut, 0, Stage::Pareto).await;
    let scored = evaluation.outcome.scored().unwrap();
    assert_eq!(scored.score, 1.0);
    assert!(
        scored
            .feedback
            .as_deref()
            .unwrap()
            .ends_with("cut off at the token limit; a shorter one would be complete.")
    );
    let tools = evaluator(replying("", FinishReason::ToolCalls));
    let evaluation = run(&tools, 0, Stage::Pareto).await;
    let scored = evaluation.outcome.scored().unwrap();
    assert_eq!(scored.output.as_deref(), Some("[{\"name\":\"look\"}]"));
    assert_eq!(scored.score, 0.0);
}

#[tokio::test]
async fn model_errors_keep_their_kind_and_only_an_outage_pauses() {
    for (kind, failure, down) in [
        (ModelErrorKind::Transient, FailureKind::Transient, false),
        (ModelErrorKind::Permanent, FailureKind::Permanent, false),
        (ModelErrorKind::Timeout, FailureKind::Timeout, false),
        (ModelErrorKind::Refused, FailureKind::Refused, false),
        (ModelErrorKind::ProviderDown, FailureKind::Transient, true),
    ] {
        let failing = evaluator(ScriptedModel::new(move |_| {
            Err(ModelError {
                kind,
                message: "why".to_owned(),
                usage: Usage {
                    calls: 2,
                    ..Usage::default()
                },
            })
        }));
        let evaluation = run(&failing, 0, Stage::Pareto).await;
        assert_eq!(evaluation.outcome, Outcome::failed(failure, "why"));
        assert_eq!(
            (evaluation.provider_down, evaluation.usage.calls),
            (down, 2)
        );
    }
}

fn saying(text: &'static str, finish_reason: FinishReason) -> ScriptedModel {
    ScriptedModel::new(move |_| {
        Ok(Completion {
            reasoning: None,
            text: text.to_owned(),
            finish_reason: finish_reason.clone(),
            tool_calls: Vec::new(),
            usage: Usage {
                calls: 1,
                completion_tokens: 64,
                ..Usage::default()
            },
        })
    })
}

#[tokio::test]
async fn reasoning_is_taken_off_the_answer_and_kept_in_the_trace() {
    let reply = "<think>\nfree means spam\n</think>\nspam";
    let thinking = evaluator(saying(reply, FinishReason::Stop));
    let outcome = run(&thinking, 0, Stage::MinibatchParent).await.outcome;
    let scored = outcome.scored().unwrap();
    assert_eq!(
        (scored.score, scored.output.as_deref()),
        (1.0, Some("spam"))
    );
    let trace = scored.trace.as_ref().unwrap();
    assert_eq!(trace["reasoning"], "free means spam");
    let keeping = evaluator(saying(reply, FinishReason::Stop)).keeping_reasoning();
    let outcome = run(&keeping, 0, Stage::Pareto).await.outcome;
    assert_eq!(outcome.scored().unwrap().score, 0.0);
}

#[tokio::test]
async fn a_reply_without_an_answer_is_a_failure_with_its_reason() {
    let other = || FinishReason::Other("error".to_owned());
    for (text, finish, kind, parts) in [
        (
            "<think>so",
            FinishReason::Length,
            FailureKind::Permanent,
            ["only reasoning", "max_tokens"],
        ),
        (
            "",
            FinishReason::Length,
            FailureKind::Permanent,
            ["reply is empty", "after 64 tokens"],
        ),
        (
            "x</think> ",
            FinishReason::Stop,
            FailureKind::Transient,
            ["only reasoning", "64 tokens"],
        ),
        (
            " ",
            FinishReason::Stop,
            FailureKind::Transient,
            ["reply is empty", "64 tokens"],
        ),
        (
            "",
            other(),
            FailureKind::Transient,
            ["reply is empty", "`error`"],
        ),
    ] {
        let silent = evaluator(saying(text, finish));
        let evaluation = run(&silent, 0, Stage::Pareto).await;
        let Outcome::Failed(failure) = evaluation.outcome else {
            panic!("`{text}` is no answer");
        };
        assert_eq!(failure.kind, kind, "{}", failure.message);
        for part in parts {
            assert!(failure.message.contains(part), "{}", failure.message);
        }
        assert_eq!(evaluation.usage.completion_tokens, 64);
    }
}

#[tokio::test]
async fn an_answer_whose_judge_was_down_is_not_bought_again() {
    let down = AtomicBool::new(true);
    let judge = ScriptedModel::new(move |_| {
        if down.swap(false, Ordering::SeqCst) {
            return Err(ModelError {
                kind: ModelErrorKind::ProviderDown,
                message: "no connection".to_owned(),
                usage: Usage::default(),
            });
        }
        Ok(Completion {
            reasoning: None,
            text: "Score: 1".to_owned(),
            finish_reason: FinishReason::Stop,
            tool_calls: Vec::new(),
            usage: Usage::default(),
        })
    });
    let scorer = ScorerSettings::LlmJudge {
        prompt: "{output}".to_owned(),
    };
    let scorer = Scorer::new(&scorer, Path::new("."), Some(Arc::new(judge))).unwrap();
    let judged = evaluator_with(saying("spam", FinishReason::Stop), scorer);
    let first = run(&judged, 0, Stage::Pareto).await;
    assert!(first.provider_down && first.usage.calls == 1);
    let second = run(&judged, 0, Stage::Pareto).await;
    assert_eq!(second.outcome.scored().unwrap().score, 1.0);
    assert_eq!(second.usage.calls, 0);
    assert_eq!(run(&judged, 0, Stage::Pareto).await.usage.calls, 1);
}

#[tokio::test]
async fn an_answer_whose_lasting_scorer_failed_for_now_is_not_bought_again() {
    let script = r#"echo '{"protocol": 1}'; read -r line
        echo '{"id": 1, "error": {"kind": "transient", "message": "busy"}}'; read -r line
        echo '{"id": 2, "score": 0.5}'; read -r line"#;
    let scorer = ScorerSettings::Command {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        timeout_seconds: 20.0,
        deterministic: false,
        lasting: true,
        processes: 1,
    };
    let scorer = Scorer::new(&scorer, Path::new("."), None).unwrap();
    let evaluator = evaluator_with(saying("spam", FinishReason::Stop), scorer);
    let first = run(&evaluator, 0, Stage::Pareto).await;
    assert_eq!(first.usage.calls, 1);
    let Outcome::Failed(failure) = first.outcome else {
        panic!("scored");
    };
    assert_eq!(failure.kind, FailureKind::Transient);
    let second = run(&evaluator, 0, Stage::Pareto).await;
    assert_eq!(second.outcome.scored().unwrap().score, 0.5);
    assert_eq!(second.usage.calls, 0);
}
