//! One rollout of the dataset evaluator, from row to outcome.

use std::path::Path;
use std::sync::Arc;

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
    let folder = tempfile::tempdir().unwrap();
    let content = "text,note,answer\nfree prize,n1,spam\nsee you,n2,ham\n";
    std::fs::write(folder.path().join("a.csv"), content).unwrap();
    let settings = DatasetSettings::for_path("a.csv");
    let dataset = Arc::new(Dataset::load(&settings, folder.path()).unwrap());
    let scorer: ScorerSettings = toml::from_str("kind = \"exact\"").unwrap();
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
    let scorer = Scorer::new(&scorer, Path::new("."), None).unwrap();
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
