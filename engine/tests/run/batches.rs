//! Evaluators that run the rollouts of a trial in one batch.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gepa_engine::{Event, EventBody, Fact, RunEnd, StopReason};
use gepa_evaluation::{
    BatchAnswers, Evaluation, Evaluator, EvaluatorInfo, FailureKind, MicroUsd, Outcome,
    RolloutRequest, Stage, TrialBatch, UsageBound, evaluate_alone,
};

use crate::probe::{Probe, seven_tokens};
use crate::records::check_sums;
use crate::world::{Finished, World, decisions, ids, journal, judge, memory};

/// The evaluator's behaviour when it reaches a rollout of a batch.
enum Step {
    Answer(Outcome),
    /// Goes on without giving an answer.
    Skip,
    /// Gives its answer for this place instead of its own.
    AnswerFor(usize),
    Panic,
    Hang,
}

type Steps = dyn Fn(&RolloutRequest, usize) -> Step + Send + Sync;

/// Works through its batches in order, and sleeps for `pause` after each answer.
struct Batches {
    largest: Option<NonZeroUsize>,
    pause: Duration,
    steps: Box<Steps>,
    seen: Mutex<Vec<TrialBatch>>,
}

impl Batches {
    fn new(steps: impl Fn(&RolloutRequest, usize) -> Step + Send + Sync + 'static) -> Self {
        Self {
            largest: None,
            pause: Duration::ZERO,
            steps: Box::new(steps),
            seen: Mutex::default(),
        }
    }

    fn seen(&self) -> Vec<TrialBatch> {
        self.seen.lock().unwrap().clone()
    }
}

impl fmt::Debug for Batches {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Batches").finish_non_exhaustive()
    }
}

#[async_trait]
impl Evaluator for Batches {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        evaluate_alone(self, request).await
    }

    fn largest_batch(&self) -> Option<NonZeroUsize> {
        self.largest
    }

    async fn evaluate_batch(&self, batch: TrialBatch, answers: &BatchAnswers) {
        self.seen.lock().unwrap().push(batch.clone());
        for (place, request) in batch.requests().enumerate() {
            let answer = |place, outcome| {
                answers.give(place, Evaluation::with_usage(outcome, seven_tokens()));
            };
            match (self.steps)(&request, place) {
                Step::Answer(outcome) => answer(place, outcome),
                Step::Skip => {}
                Step::AnswerFor(other) => answer(other, judge(&request)),
                Step::Panic => panic!("a bug in the evaluator"),
                Step::Hang => std::future::pending().await,
            }
            if !self.pause.is_zero() {
                tokio::time::sleep(self.pause).await;
            }
        }
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn usage_bound(&self, _: &RolloutRequest) -> Option<UsageBound> {
        Some(UsageBound {
            tokens: 7,
            cost: MicroUsd(100),
        })
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("batches")
    }
}

fn judged(request: &RolloutRequest, _: usize) -> Step {
    Step::Answer(judge(request))
}

/// A run that evaluates only the seed on the pareto set, which has eight examples.
fn one_trial() -> World {
    let mut world = World::new();
    world.settings.budget.max_iterations = Some(0);
    world.settings.validation.top_k = 0;
    world.sets.validation.clear();
    world.settings.rollouts.max_failure_fraction = 1.0;
    world
}

/// Kind and message of each failed rollout, by example.
fn failures(journal: &[Event]) -> Vec<(String, FailureKind, String)> {
    let settled = journal.iter().filter_map(|event| match &event.body {
        EventBody::Fact(Fact::RolloutSettled(rollout)) => match &*rollout.outcome {
            Outcome::Failed(failure) => {
                let example = rollout.example.to_string();
                Some((example, failure.kind, failure.message.clone()))
            }
            Outcome::Scored(_) => None,
        },
        _ => None,
    });
    let mut failures: Vec<_> = settled.collect();
    failures.sort();
    failures
}

async fn finish(world: &World, evaluator: &Arc<Batches>) -> Finished {
    let finished = world.finish(Arc::clone(evaluator) as _).await;
    check_sums(&finished.store, &finished.result).await;
    finished
}

#[tokio::test]
async fn whole_trials_come_in_order_and_decide_as_single_rollouts_do() {
    let mut world = World::new();
    world.settings.run.max_concurrent = 64;
    let evaluator = Arc::new(Batches::new(judged));
    let finished = finish(&world, &evaluator).await;
    let single = world.finish(Probe::new().shared()).await;
    assert_eq!(
        decisions(&finished.journal().await),
        decisions(&single.journal().await)
    );
    let seen = evaluator.seen();
    assert_eq!(seen[0].stage, Stage::Seed);
    assert_eq!(seen[0].examples, ids(100, 8));
    let mut trials: Vec<_> = seen.iter().map(|batch| &batch.trial_id).collect();
    let batches = trials.len();
    trials.sort();
    trials.dedup();
    assert_eq!(trials.len(), batches, "a trial came in two parts");
    for batch in &seen {
        let is_minibatch = matches!(batch.stage, Stage::MinibatchParent | Stage::MinibatchChild);
        assert_eq!(batch.wants_trace(), is_minibatch);
        assert_eq!(batch.attempt, 1);
    }
}

#[tokio::test]
async fn a_batch_holds_as_many_slots_as_it_has_rollouts_and_waits_for_none() {
    let sizes = |largest: usize| async move {
        let mut evaluator = Batches::new(judged);
        evaluator.largest = NonZeroUsize::new(largest);
        let evaluator = Arc::new(evaluator);
        let mut world = one_trial();
        world.settings.run.max_concurrent = 5;
        finish(&world, &evaluator).await;
        let sizes = evaluator
            .seen()
            .into_iter()
            .map(|batch| batch.examples.len());
        sizes.collect::<Vec<_>>()
    };
    assert_eq!(sizes(64).await, [5, 3]);
    // The first batch is tried alone.
    assert_eq!(sizes(2).await, [2, 2, 2, 1, 1]);
    assert_eq!(sizes(1).await, [1; 8]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_stored_when_it_is_given_and_not_when_its_batch_ends() {
    let mut evaluator = Batches::new(judged);
    evaluator.pause = Duration::from_secs(1);
    let store = memory();
    let begun = tokio::time::Instant::now();
    let handle = one_trial().builder(&store, Arc::new(evaluator)).start();
    let handle = handle.await.unwrap();
    let mut events = handle.subscribe();
    let mut seconds = Vec::new();
    while let Ok(batch) = events.recv().await {
        let settled =
            |event: &&Event| matches!(event.body, EventBody::Fact(Fact::RolloutSettled(_)));
        let count = batch.iter().filter(settled).count();
        seconds.extend(std::iter::repeat_n(begun.elapsed().as_secs(), count));
        if seconds.len() == 8 {
            break;
        }
    }
    assert_eq!(seconds, (0..8).collect::<Vec<_>>());
    handle.finish().await.unwrap();
}

#[tokio::test]
async fn one_rollout_that_fails_in_passing_is_tried_again_and_the_others_are_kept() {
    let fails_once = |request: &RolloutRequest, place| {
        let fails = request.attempt == 1 && (place == 2 || place == 5);
        Step::Answer(if fails {
            Outcome::failed(FailureKind::Transient, "overloaded")
        } else {
            judge(request)
        })
    };
    let evaluator = Arc::new(Batches::new(fails_once));
    let finished = finish(&one_trial(), &evaluator).await;
    assert_eq!(failures(&finished.journal().await), []);
    let mut again: Vec<_> = evaluator.seen()[1..]
        .iter()
        .flat_map(|batch| batch.examples.clone())
        .collect();
    again.sort();
    assert_eq!(again, [102.into(), 105.into()]);
    assert!(evaluator.seen()[1..].iter().all(|batch| batch.attempt == 2));
}

/// Makes one step. Steps cannot be cloned, so each case makes its own.
type MakeStep = fn() -> Step;

#[tokio::test]
async fn what_a_batch_leaves_open_fails_with_the_reason_and_what_it_answered_counts() {
    let cases: [(&str, MakeStep); 4] = [
        ("without an answer for this rollout", || Step::Skip),
        ("place 0 of a batch twice", || Step::AnswerFor(0)),
        ("place 70 of a batch of 8 rollouts", || Step::AnswerFor(70)),
        ("the evaluator panicked", || Step::Panic),
    ];
    for (reason, step) in cases {
        let evaluator = Arc::new(Batches::new(move |request, place| match place {
            0..6 => Step::Answer(judge(request)),
            _ => step(),
        }));
        let finished = finish(&one_trial(), &evaluator).await;
        let failures = failures(&finished.journal().await);
        assert_eq!(failures.len(), 2, "{reason}: {failures:?}");
        for (at, (example, kind, message)) in failures.iter().enumerate() {
            assert_eq!(*example, (106 + at).to_string());
            assert_eq!(*kind, FailureKind::Permanent);
            assert!(message.contains(reason), "{message}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_may_take_the_time_of_all_its_rollouts_and_no_more() {
    let mut world = one_trial();
    world.settings.rollouts.timeout_seconds = 2.0;
    world.settings.rollouts.max_attempts = 1;
    // The first rollouts take 15 seconds of work; the last one never ends.
    let mut evaluator = Batches::new(|request, place| match place {
        7 => Step::Hang,
        _ => judged(request, place),
    });
    evaluator.pause = Duration::from_secs(15) / 7;
    let evaluator = Arc::new(evaluator);
    let begun = tokio::time::Instant::now();
    let finished = finish(&world, &evaluator).await;
    assert_eq!(begun.elapsed().as_secs(), 16);
    let failures = failures(&finished.journal().await);
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].1, FailureKind::Timeout);
    assert!(failures[0].2.contains("within 16 s"), "{failures:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_cut_off_in_the_middle_keeps_its_answers_and_the_rest_is_bought_on_resume() {
    let world = one_trial();
    let store = memory();
    let mut evaluator = Batches::new(judged);
    evaluator.pause = Duration::from_secs(1);
    let handle = world.builder(&store, Arc::new(evaluator)).start();
    let handle = handle.await.unwrap();
    let run = handle.run_id().clone();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    handle.control().abort("test");
    let ended = handle.finish().await.unwrap();
    assert!(matches!(ended.end, RunEnd::Interrupted { .. }));

    let evaluator = Arc::new(Batches::new(judged));
    let resumed = world.builder(&store, Arc::clone(&evaluator) as _);
    let result = resumed.resume(run.clone()).await.unwrap().finish().await;
    let result = result.unwrap();
    assert!(matches!(result.end, RunEnd::Finished(_)));
    assert_eq!(evaluator.seen()[0].examples, ids(103, 5));
    assert_eq!(result.run.summary.counters.total_rollouts, 8);
    assert_eq!(failures(&journal(&store, &run).await), []);
}

#[tokio::test]
async fn a_batch_is_no_larger_than_the_token_budget_covers() {
    let mut world = World::new();
    world.settings.budget.max_tokens = Some(300);
    world.settings.run.max_concurrent = 64;
    let evaluator = Arc::new(Batches::new(judged));
    let finished = finish(&world, &evaluator).await;
    let RunEnd::Finished(StopReason::TokenBudget { used, .. }) = finished.result.end else {
        panic!("{:?}", finished.result.end)
    };
    assert!(used <= 300, "{used}");
    let counters = &finished.result.run.summary.counters;
    assert_eq!(counters.failed_rollouts, 0);
    assert!(counters.validation_rollouts_executed >= 6);
}
