//! Connections that are cut, delayed and truncated, and a server that is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gepa_evaluation::{
    BatchAnswers, Evaluation, Evaluator, EvaluatorInfo, Outcome, RolloutRequest,
};
use gepa_testing::{NatsServer, UnsteadyProxy};

use crate::handing_over::seed;
use crate::{batch, engine, worker};

/// Takes a while for each rollout, and counts them.
struct Slow {
    executed: AtomicUsize,
}

#[async_trait]
impl Evaluator for Slow {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        tokio::time::sleep(Duration::from_millis(80)).await;
        self.executed.fetch_add(1, Ordering::Relaxed);
        Evaluation::free(Outcome::score(seed(&request) as f64))
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("slow")
    }
}

/// Asks for rollouts one by one, several at a time, and returns the scores in order.
async fn ask(engine: Arc<dyn Evaluator>, number: u64) -> Vec<f64> {
    let mut asked = tokio::task::JoinSet::new();
    for example in 0..number {
        let engine = Arc::clone(&engine);
        asked.spawn(async move {
            let answers = BatchAnswers::new(1);
            engine
                .evaluate_batch(batch("disturbed", example..example + 1), &answers)
                .await;
            let taken = answers.take();
            assert_eq!(taken.len(), 1);
            (example, taken[0].1.outcome.scored().unwrap().score)
        });
    }
    let mut scores = asked.join_all().await;
    scores.sort_by_key(|(example, _)| *example);
    scores.into_iter().map(|(_, score)| score).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_delayed_and_truncated_connections_lose_and_double_nothing() {
    let Some(queue) = NatsServer::start() else {
        return;
    };
    let before_engine = UnsteadyProxy::start(queue.port()).await.unwrap();
    let before_worker = UnsteadyProxy::start(queue.port()).await.unwrap();
    let url = |proxy: &UnsteadyProxy| format!("nats://127.0.0.1:{}", proxy.port());
    let engine = Arc::new(engine(&url(&before_engine), 1).await);
    let slow = Arc::new(Slow {
        executed: AtomicUsize::new(0),
    });
    let _worker = worker(&url(&before_worker), Arc::clone(&slow) as _).await;
    let asking = tokio::spawn(ask(engine, 150));
    let disturbing = tokio::spawn(async move {
        for round in 0_u64..8 {
            tokio::time::sleep(Duration::from_millis(350)).await;
            let proxy = if round % 2 == 0 {
                &before_engine
            } else {
                &before_worker
            };
            match round % 4 {
                0 | 3 => proxy.cut(),
                1 => proxy.truncate_after(1_000 + 37 * round),
                _ => proxy.delay(Duration::from_millis(20)),
            }
        }
        (before_engine, before_worker)
    });
    let scores = tokio::time::timeout(Duration::from_mins(2), asking).await;
    let expected: Vec<f64> = (0..150).map(f64::from).collect();
    assert_eq!(scores.unwrap().unwrap(), expected);
    let executed = slow.executed.load(Ordering::Relaxed);
    // A disturbance may repeat what the worker's four slots have in hand, and their answers on the way.
    assert!(executed <= 150 + 8 * 8, "{executed} executed");
    let _proxies = disturbing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_has_everything() {
    let Some(mut queue) = NatsServer::start() else {
        return;
    };
    let engine = Arc::new(engine(&queue.url(), 1).await);
    let slow = Arc::new(Slow {
        executed: AtomicUsize::new(0),
    });
    let _worker = worker(&queue.url(), Arc::clone(&slow) as _).await;
    let asking = tokio::spawn(ask(Arc::clone(&engine) as _, 120));
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        queue.kill();
        tokio::time::sleep(Duration::from_millis(700)).await;
        let obstacle = engine.obstacle().unwrap_or_default();
        assert!(
            obstacle.contains("the queue at nats://127.0.0.1"),
            "{obstacle}"
        );
        queue.start_again();
    }
    let scores = tokio::time::timeout(Duration::from_mins(2), asking).await;
    let expected: Vec<f64> = (0..120).map(f64::from).collect();
    assert_eq!(scores.unwrap().unwrap(), expected);
}
