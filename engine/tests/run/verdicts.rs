//! The verdict of runs whose outcome is known, and of runs in which each cause of learning nothing
//! was planted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gepa_engine::config::Duplicates;
use gepa_engine::verdict::{Cause, ComparedSet, Verdict, VerdictKind, read_tables};
use gepa_engine::{Evaluator, ExampleSets, LanguageModel, RunResult, Store};
use gepa_evaluation::{
    Completion, Evaluation, FailureKind, FinishReason, ModelError, ModelErrorKind, Outcome,
    RolloutRequest, Scored, Stage, Usage,
};
use gepa_testing::{FixedEvaluator, ScriptedModel};
use tokio::sync::Semaphore;

use crate::probe::Probe;
use crate::world::{World, hash, ids, memory};

/// A task with one prompt whose score is the function's.
fn world() -> World {
    let mut world = World::new();
    world.components = vec![("plan", "0")];
    world.sets = ExampleSets {
        train: ids(0, 20),
        pareto: ids(100, 30),
        validation: ids(200, 60),
    };
    world.settings.budget.max_rollouts = Some(800);
    world.settings.run.max_concurrent = 1;
    world.settings.run.gate_lag = 1;
    world.settings.run.pareto_lag = 1;
    world
}

/// The number at the end of the prompt's text.
fn level(request: &RolloutRequest) -> u64 {
    let text = request.candidate.components().values().next();
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// A draw that depends on texts and example.
fn draw(request: &RolloutRequest) -> u64 {
    let content = request.candidate.content_id();
    hash(&format!("{content:?}{}", request.example)) % 100
}

/// Solved with a probability in per cent that the level gives.
fn solved(chance: impl Fn(u64) -> u64 + Send + Sync + 'static) -> Arc<dyn Evaluator> {
    scored(move |request| f64::from(u8::from(draw(request) < chance(level(request)))))
}

/// Evaluated with feedback.
fn scored(score: impl Fn(&RolloutRequest) -> f64 + Send + Sync + 'static) -> Arc<dyn Evaluator> {
    Arc::new(FixedEvaluator::new(move |request| {
        Evaluation::free(Outcome::Scored(Scored {
            score: score(request),
            feedback: Some("think of the rule".to_owned()),
            ..Scored::default()
        }))
    }))
}

/// A reflection model that raises the number of the text it is shown by one.
fn climbing() -> Arc<dyn LanguageModel> {
    Arc::new(ScriptedModel::answering(|request| {
        let prompt = &request.messages[0].content;
        let shown = prompt.split("```").nth(1).unwrap_or_default();
        let level: u64 = shown.trim().parse().unwrap_or_default();
        format!("```\n{}\n```", level + 1)
    }))
}

/// A reflection model that never writes the same text twice.
fn wandering() -> Arc<dyn LanguageModel> {
    let calls = AtomicU64::new(0);
    Arc::new(ScriptedModel::answering(move |_| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        format!("```\n{}\n```", 1 + hash(&call.to_string()) % 1_000_000_000)
    }))
}

fn ending(text: &'static str, finish_reason: FinishReason) -> Arc<dyn LanguageModel> {
    Arc::new(ScriptedModel::new(move |_| {
        Ok(Completion {
            text: text.to_owned(),
            reasoning: None,
            finish_reason: finish_reason.clone(),
            tool_calls: Vec::new(),
            usage: Usage::default(),
        })
    }))
}

async fn run(
    world: &World,
    evaluator: Arc<dyn Evaluator>,
    model: Arc<dyn LanguageModel>,
) -> Verdict {
    let store = memory();
    let builder = world.builder(&store, evaluator).reflection_model(model);
    let result = builder.start().await.unwrap().finish().await.unwrap();
    verdict(&store, result).await
}

async fn verdict(store: &Arc<dyn Store>, result: RunResult) -> Verdict {
    let verdict = Verdict::of(&read_tables(&**store, result.run).await.unwrap());
    let said = format!("{}{:?}", verdict.sentence, verdict.details());
    assert!(said.matches("beyond noise").count() <= 1, "{said}");
    verdict
}

/// The first cause, of a run in which nothing was learned.
fn cause(verdict: &Verdict) -> &Cause {
    assert_eq!(verdict.verdict, VerdictKind::NothingLearned, "{verdict:?}");
    let cause = verdict.causes.first().unwrap();
    assert_eq!(
        verdict.sentence,
        format!("nothing was learned, because {cause}")
    );
    cause
}

#[tokio::test]
async fn a_run_that_learns_is_better_with_its_figures() {
    let verdict = run(&world(), solved(|level| 20 + 15 * level.min(5)), climbing()).await;
    assert_eq!(verdict.verdict, VerdictKind::Better, "{}", verdict.sentence);
    let found = verdict.evidence.as_ref().unwrap();
    assert_eq!(found.set, ComparedSet::Validation);
    assert_eq!(found.comparison.examples, 60);
    assert!(found.comparison.p_better > 0.999);
    assert!(verdict.causes.is_empty());
    assert!(
        verdict
            .sentence
            .starts_with("better: the best candidate scores +0.")
    );
    let score = verdict.pareto_score.unwrap();
    assert!(score.expected <= score.observed);
    let json = serde_json::to_value(&verdict).unwrap();
    assert_eq!(json["verdict"], "better");
    assert_eq!(json["sentence"], verdict.sentence.as_str());
    assert!(json["evidence"]["comparison"]["difference"]["low"].as_f64() > Some(0.0));
}

#[tokio::test]
async fn chance_alone_is_not_shown_to_be_better_and_the_need_is_named() {
    let verdict = run(
        &world(),
        solved(|level| if level == 0 { 50 } else { 55 }),
        wandering(),
    )
    .await;
    assert_eq!(
        verdict.verdict,
        VerdictKind::NotShown,
        "{}",
        verdict.sentence
    );
    assert!(verdict.further_examples.is_some());
    assert!(verdict.sentence.contains("more examples would decide"));
}

#[tokio::test]
async fn a_candidate_that_fits_the_pareto_set_alone_is_worse() {
    let evaluator = scored(|request| {
        let is_held_out = request
            .example
            .to_string()
            .parse::<u64>()
            .unwrap_or_default()
            >= 200;
        let chance = match (level(request), is_held_out) {
            (0, _) => 60,
            (_, true) => 20,
            _ => 90,
        };
        f64::from(u8::from(draw(request) < chance))
    });
    let verdict = run(&world(), evaluator, wandering()).await;
    assert_eq!(verdict.verdict, VerdictKind::Worse, "{}", verdict.sentence);
}

#[tokio::test]
async fn without_held_out_examples_the_choice_among_candidates_is_allowed_for() {
    let mut world = world();
    world.sets.validation.clear();
    let chance = run(&world, solved(|_| 50), wandering()).await;
    assert_eq!(chance.verdict, VerdictKind::NotShown, "{}", chance.sentence);
    let found = chance.evidence.unwrap();
    assert_eq!(found.set, ComparedSet::Pareto);
    assert!(found.corrected_for.candidates > 1);
    let risk = 1.0 - found.comparison.difference.confidence;
    assert!((risk * found.corrected_for.candidates as f64 - 0.05).abs() < 1e-9);
    let real = run(&world, solved(|level| 10 + 40 * level.min(2)), climbing()).await;
    assert_eq!(real.verdict, VerdictKind::Better, "{}", real.sentence);
}

#[tokio::test]
async fn failures_of_the_candidates_own_doing_never_pay() {
    // The children answer nothing on what they cannot solve.
    let evaluator = Arc::new(FixedEvaluator::new(|request: &RolloutRequest| {
        let example = request
            .example
            .to_string()
            .parse::<u64>()
            .unwrap_or_default();
        let outcome = if level(request) > 0 && example >= 200 && draw(request) >= 50 {
            Outcome::failed(FailureKind::Permanent, "no answer")
        } else if level(request) > 0 {
            Outcome::score(1.0)
        } else {
            Outcome::score(f64::from(u8::from(draw(request) < 60)))
        };
        Evaluation::free(outcome)
    }));
    let verdict = run(&world(), evaluator, wandering()).await;
    let found = verdict.evidence.as_ref().unwrap();
    assert_eq!(found.comparison.examples, 60);
    assert!(found.failures > 10, "{found:?}");
    assert!(found.comparison.after < 0.75, "{found:?}");
    assert_ne!(verdict.verdict, VerdictKind::Better);
}

#[tokio::test]
async fn each_further_final_scoring_halves_the_risk() {
    let mut world = world();
    world.settings.budget.max_rollouts = Some(400);
    let store = memory();
    let builder = |world: &World| {
        world
            .builder(&store, solved(|level| if level == 0 { 40 } else { 60 }))
            .reflection_model(wandering())
    };
    let first = builder(&world)
        .start()
        .await
        .unwrap()
        .finish()
        .await
        .unwrap();
    let id = first.run.run_id.clone();
    let before = verdict(&store, first).await;
    let limits = world.settings.budget.clone();
    world.settings.budget.max_rollouts = Some(900);
    let handle = builder(&world).began_with(limits).resume(id).await.unwrap();
    let after = verdict(&store, handle.finish().await.unwrap()).await;
    let confidence = |verdict: &Verdict| verdict.comparison().unwrap().difference.confidence;
    assert!((confidence(&before) - 0.95).abs() < 1e-12);
    let looks = after.evidence.as_ref().unwrap().corrected_for.looks;
    assert_eq!(looks, 2, "{after:?}");
    assert!((confidence(&after) - 0.975).abs() < 1e-12);
}

#[tokio::test]
async fn the_seed_is_kept_unless_the_best_is_better_with_the_probability_asked_for() {
    let mut world = world();
    world.settings.final_choice.keep_seed_below = Some(0.99);
    let verdict = run(&world, solved(|_| 50), wandering()).await;
    assert!(
        matches!(cause(&verdict), Cause::SeedKept { .. }),
        "{verdict:?}"
    );
    let learnt = run(&world, solved(|level| 20 + 15 * level.min(5)), climbing()).await;
    assert_eq!(learnt.verdict, VerdictKind::Better, "{}", learnt.sentence);
}

#[tokio::test]
async fn a_saturated_baseline_is_named() {
    let verdict = run(&world(), solved(|_| 100), wandering()).await;
    assert!(
        matches!(cause(&verdict), Cause::BaselineSaturated { .. }),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn scores_above_the_perfect_one_are_named() {
    let evaluator = scored(|request| 40.0 + draw(request) as f64 / 2.0);
    let mut world = world();
    world.settings.search.perfect_score = Some(1.0);
    let verdict = run(&world, evaluator, wandering()).await;
    let Cause::ScoresAbovePerfect { baseline, perfect } = cause(&verdict) else {
        panic!("{verdict:?}");
    };
    assert!(*baseline > 40.0 && *perfect == 1.0);
}

#[tokio::test]
async fn training_examples_that_are_all_solved_are_named() {
    let evaluator = scored(|request| {
        let id: u64 = request.example.to_string().parse().unwrap_or_default();
        let is_train = id < 100;
        f64::from(u8::from(is_train || draw(request) < 50))
    });
    let verdict = run(&world(), evaluator, wandering()).await;
    assert!(
        matches!(cause(&verdict), Cause::MinibatchesPerfect { .. }),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn refusals_of_the_reflection_model_are_named() {
    let verdict = run(
        &world(),
        solved(|_| 50),
        ending("I cannot.", FinishReason::Refusal),
    )
    .await;
    assert!(
        matches!(cause(&verdict), Cause::ReflectionRefused { .. }),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn truncated_replies_are_named() {
    let verdict = run(
        &world(),
        solved(|_| 50),
        ending("```\nthe", FinishReason::Length),
    )
    .await;
    assert!(
        matches!(cause(&verdict), Cause::ReflectionTruncated { .. }),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn replies_without_a_text_are_named() {
    let verdict = run(
        &world(),
        solved(|_| 50),
        ending("Well done.", FinishReason::Stop),
    )
    .await;
    assert!(
        matches!(cause(&verdict), Cause::ReflectionUnusable { .. }),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn a_failing_reflection_model_is_named() {
    let model = ScriptedModel::new(|_| {
        Err(ModelError {
            kind: ModelErrorKind::Permanent,
            message: "no such model".to_owned(),
            usage: Usage::default(),
        })
    });
    let verdict = run(&world(), solved(|_| 50), Arc::new(model)).await;
    let Cause::ReflectionModelFailing { message, .. } = cause(&verdict) else {
        panic!("{verdict:?}");
    };
    assert!(message.contains("no such model"), "{message}");
}

#[tokio::test]
async fn a_failing_evaluator_is_named() {
    let evaluator = Arc::new(FixedEvaluator::new(|_: &RolloutRequest| {
        Evaluation::free(Outcome::failed(FailureKind::Permanent, "no such field"))
    }));
    let verdict = run(&world(), evaluator, wandering()).await;
    assert!(
        matches!(cause(&verdict), Cause::EvaluatorFailing { .. }),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn an_evaluator_that_says_nothing_is_named() {
    let evaluator = Arc::new(FixedEvaluator::scoring(|request| {
        let chance = if level(request) == 0 { 60 } else { 5 };
        f64::from(u8::from(draw(request) < chance))
    }));
    let verdict = run(&world(), evaluator, wandering()).await;
    assert!(
        matches!(cause(&verdict), Cause::FeedbackEmpty { .. }),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn children_that_are_all_worse_are_named() {
    let evaluator = solved(|level| if level == 0 { 70 } else { 1 });
    let verdict = run(&world(), evaluator, wandering()).await;
    assert!(
        matches!(cause(&verdict), Cause::ChildrenWorse { .. }),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn a_minibatch_that_seldom_shows_a_difference_is_named() {
    let evaluator = scored(|request| {
        // Children differ on one example of twenty, so most minibatches hold none.
        let id = request
            .example
            .to_string()
            .parse::<u64>()
            .unwrap_or_default();
        let chance = if id % 20 == 7 && level(request) > 0 {
            0
        } else {
            70
        };
        f64::from(u8::from(hash(&request.example.to_string()) % 100 < chance))
    });
    let verdict = run(&world(), evaluator, wandering()).await;
    assert!(
        matches!(cause(&verdict), Cause::GateTooNoisy { .. }),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn children_that_pass_the_gate_by_luck_and_are_worse_are_named() {
    let evaluator = scored(|request| {
        let id: u64 = request.example.to_string().parse().unwrap_or_default();
        let chance = match (level(request), id < 100) {
            (_, true) => 50,
            (0, false) => 90,
            (_, false) => 10,
        };
        f64::from(u8::from(draw(request) < chance))
    });
    let verdict = run(&world(), evaluator, wandering()).await;
    let found = cause(&verdict);
    assert!(matches!(found, Cause::GateMisled { .. }), "{verdict:?}");
}

#[tokio::test]
async fn texts_that_repeat_are_named() {
    let mut world = world();
    world.settings.search.duplicates = Duplicates::Skip;
    let same = Arc::new(ScriptedModel::answering(|_| "```\n7\n```".to_owned()));
    let evaluator = solved(|level| if level == 0 { 60 } else { 5 });
    let verdict = run(&world, evaluator, same).await;
    assert!(
        matches!(cause(&verdict), Cause::TextsDuplicate { .. }),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn a_budget_that_ends_after_a_proposal_is_named() {
    let mut world = world();
    world.settings.budget.max_rollouts = Some(30 + 60 * 2 + 36 + 2);
    let verdict = run(
        &world,
        solved(|level| if level == 0 { 60 } else { 5 }),
        wandering(),
    )
    .await;
    assert!(
        matches!(cause(&verdict), Cause::BudgetFloor { .. }),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn a_run_that_was_stopped_early_says_so() {
    let store = memory();
    let reached = Arc::new(Semaphore::new(0));
    let signal = Arc::clone(&reached);
    let probe = Probe::new()
        .answering(|_| Evaluation::free(Outcome::score(0.0)))
        .waiting(move |request| {
            if request.stage == Stage::MinibatchParent {
                signal.add_permits(1);
            }
            Duration::from_millis(2)
        });
    let builder = world().builder(&store, probe.shared());
    let handle = builder.reflection_model(wandering()).start().await.unwrap();
    let _permit = reached.acquire().await.unwrap();
    handle.control().stop();
    let result = handle.finish().await.unwrap();
    let verdict = verdict(&store, result).await;
    assert!(matches!(cause(&verdict), Cause::StoppedEarly { .. }));
}

#[tokio::test]
async fn a_run_that_is_not_over_has_no_verdict() {
    let store = memory();
    let builder = world().builder(&store, solved(|_| 50));
    let handle = builder.reflection_model(wandering()).start().await.unwrap();
    handle.control().pause();
    let row = store.run(handle.run_id()).await.unwrap();
    let verdict = Verdict::of(&read_tables(&*store, row).await.unwrap());
    assert_eq!(verdict.verdict, VerdictKind::Pending);
    handle.control().cancel();
    handle.finish().await.unwrap();
}
