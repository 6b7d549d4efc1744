//! Rollouts on their way to workers and back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gepa_evaluation::{
    BatchAnswers, Evaluation, Evaluator, EvaluatorInfo, ExampleId, FailureKind, MicroUsd, Outcome,
    RolloutRequest, Scored, Usage,
};
use gepa_queue::Stop;
use gepa_testing::{FixedEvaluator, NatsServer};

use crate::{batch, engine, worker, worker_lost_after};

/// The number of an example.
pub(crate) fn seed(request: &RolloutRequest) -> u64 {
    match &request.example {
        ExampleId::Seed(seed) => *seed,
        ExampleId::Name(_) => 0,
    }
}

fn by_seed() -> Arc<dyn Evaluator> {
    Arc::new(FixedEvaluator::scoring(|request| seed(request) as f64))
}

/// Never answers its first rollouts, as a process that is stopped.
struct Stuck {
    first: usize,
    begun: AtomicUsize,
}

#[async_trait]
impl Evaluator for Stuck {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        if self.begun.fetch_add(1, Ordering::Relaxed) < self.first {
            std::future::pending::<()>().await;
        }
        Evaluation::free(Outcome::score(seed(&request) as f64))
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("stuck")
    }
}

async fn scores(evaluator: &dyn Evaluator, trial: &str, number: u64) -> Vec<f64> {
    let answers = BatchAnswers::new(number as usize);
    evaluator
        .evaluate_batch(batch(trial, 0..number), &answers)
        .await;
    let mut taken = answers.take();
    taken.sort_by_key(|(place, _)| *place);
    let scored = taken
        .iter()
        .map(|(_, evaluation)| evaluation.outcome.scored());
    scored.map(|scored| scored.unwrap().score).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_comes_back_to_its_place() {
    let Some(queue) = NatsServer::start() else {
        return;
    };
    let engine = engine(&queue.url(), 40).await;
    let one = worker(&queue.url(), by_seed()).await;
    let expected: Vec<f64> = (0..40).map(f64::from).collect();
    assert_eq!(scores(&engine, "a", 40).await, expected);
    // The same rollouts of another trial are other rollouts.
    assert_eq!(scores(&engine, "b", 40).await, expected);
    one.stop.send_replace(Stop::WhenDone);
    assert_eq!(one.task.await.unwrap().rollouts, 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_waited_for_a_while_takes_the_first_work_that_comes() {
    let Some(queue) = NatsServer::start() else {
        return;
    };
    let hour = Duration::from_hours(1);
    let one = worker_lost_after(&queue.url(), by_seed(), hour).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let engine = engine(&queue.url(), 1).await;
    // Work that no slot sees goes to another slot after an hour.
    let minute = Duration::from_mins(1);
    let first = tokio::time::timeout(minute, scores(&engine, "a", 1)).await;
    assert_eq!(first.unwrap(), [0.0]);
    one.stop.send_replace(Stop::WhenDone);
    assert_eq!(one.task.await.unwrap().rollouts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn outcome_usage_and_a_large_trace_arrive_as_they_were() {
    let Some(queue) = NatsServer::start() else {
        return;
    };
    let trace = serde_json::json!({"Inputs": "x".repeat(3_000_000), "é": [1, null, 0.1]});
    let whole = Evaluation {
        outcome: Outcome::Scored(Scored {
            score: 0.1 + 0.2,
            objectives: [("brevity".into(), -1.5)].into_iter().collect(),
            feedback: Some("because".to_owned()),
            output: Some("out".to_owned()),
            trace: Some(trace),
        }),
        usage: Usage {
            calls: 2,
            prompt_tokens: 10,
            completion_tokens: 3,
            cost: MicroUsd(7),
            ..Usage::default()
        },
        judge_usage: Usage {
            unknown_tokens: 5,
            ..Usage::default()
        },
        provider_down: false,
    };
    let failed = Evaluation {
        outcome: Outcome::fatal("the key is wrong"),
        provider_down: true,
        ..Evaluation::free(Outcome::score(0.0))
    };
    let (given, refused) = (whole.clone(), failed.clone());
    let evaluator = FixedEvaluator::new(move |request| match seed(request) {
        0 => given.clone(),
        _ => refused.clone(),
    });
    let _worker = worker(&queue.url(), Arc::new(evaluator)).await;
    let engine = engine(&queue.url(), 1).await;
    for (example, expected) in [(0, whole), (1, failed)] {
        let answers = BatchAnswers::new(1);
        engine
            .evaluate_batch(batch("large", example..example + 1), &answers)
            .await;
        assert_eq!(answers.take(), vec![(0, expected)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_larger_than_a_queue_carries_is_a_failure_that_says_so() {
    let Some(queue) = NatsServer::start() else {
        return;
    };
    let evaluator = FixedEvaluator::new(|_| {
        Evaluation::free(Outcome::Scored(Scored {
            output: Some("x".repeat(70 << 20)),
            ..Scored::default()
        }))
    });
    let _worker = worker(&queue.url(), Arc::new(evaluator)).await;
    let engine = engine(&queue.url(), 1).await;
    let answers = BatchAnswers::new(1);
    engine.evaluate_batch(batch("huge", 0..1), &answers).await;
    match &answers.take()[0].1.outcome {
        Outcome::Failed(failure) => {
            assert_eq!(failure.kind, FailureKind::Permanent);
            assert!(
                failure.message.contains("is too large"),
                "{}",
                failure.message
            );
        }
        Outcome::Scored(_) => panic!("it cannot have arrived"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_no_worker_survives_fails_as_worker_lost() {
    let Some(queue) = NatsServer::start() else {
        return;
    };
    let engine = Arc::new(engine(&queue.url(), 1).await);
    let waiting = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move {
            let answers = BatchAnswers::new(1);
            engine.evaluate_batch(batch("poison", 0..1), &answers).await;
            answers.take()
        }
    });
    for _ in 0..3 {
        let begun = Arc::new(Stuck {
            first: 1,
            begun: AtomicUsize::new(0),
        });
        let dying = worker(&queue.url(), Arc::clone(&begun) as _).await;
        while begun.begun.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // It dies with the rollout in hand.
        dying.task.abort();
    }
    let _last = worker(&queue.url(), by_seed()).await;
    let taken = waiting.await.unwrap();
    match &taken[0].1.outcome {
        Outcome::Failed(failure) => {
            assert_eq!(failure.kind, FailureKind::Permanent);
            assert!(
                failure.message.starts_with("worker_lost: 3 workers"),
                "{}",
                failure.message
            );
        }
        Outcome::Scored(_) => panic!("a fourth worker must not execute it"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_of_a_caller_that_left_is_withdrawn() {
    let Some(queue) = NatsServer::start() else {
        return;
    };
    let engine = engine(&queue.url(), 1).await;
    let stuck = Arc::new(Stuck {
        first: 1,
        begun: AtomicUsize::new(0),
    });
    let serving = worker(&queue.url(), Arc::clone(&stuck) as _).await;
    let answers = BatchAnswers::new(1);
    let left = tokio::time::timeout(
        Duration::from_secs(2),
        engine.evaluate_batch(batch("left", 0..1), &answers),
    );
    assert!(left.await.is_err());
    assert_eq!(stuck.begun.load(Ordering::Relaxed), 1);
    // The worker drops it, and no other one gets it: so it can end at once.
    tokio::time::sleep(Duration::from_secs(2)).await;
    serving.stop.send_replace(Stop::WhenDone);
    let served = tokio::time::timeout(Duration::from_secs(10), serving.task).await;
    assert_eq!(served.unwrap().unwrap().rollouts, 0);
    assert_eq!(stuck.begun.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_comes_back_gets_the_answers_to_what_it_asked() {
    let Some(queue) = NatsServer::start() else {
        return;
    };
    let executed = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&executed);
    let evaluator = FixedEvaluator::scoring(move |request| {
        counting.fetch_add(1, Ordering::Relaxed);
        seed(request) as f64
    });
    let first = engine(&queue.url(), 5).await;
    let answers = BatchAnswers::new(5);
    let asking = first.evaluate_batch(batch("again", 0..5), &answers);
    // No worker is there to answer, and a killed process withdraws nothing.
    let mut cut = Box::pin(tokio::time::timeout(Duration::from_secs(1), asking));
    assert!(cut.as_mut().await.is_err());
    std::mem::forget(cut);
    let _worker = worker(&queue.url(), Arc::new(evaluator)).await;
    let second = engine(&queue.url(), 5).await;
    let expected: Vec<f64> = (0..5).map(f64::from).collect();
    assert_eq!(scores(&second, "again", 5).await, expected);
    drop(second);
    let third = engine(&queue.url(), 5).await;
    assert_eq!(scores(&third, "again", 5).await, expected);
    assert_eq!(executed.load(Ordering::Relaxed), 5, "each is executed once");
}
