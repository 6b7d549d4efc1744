//! A real queue between an engine's evaluator and workers of this process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod disturbances;
mod handing_over;
mod shared_limits;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use gepa_archive::Candidate;
use gepa_evaluation::{Evaluator, EvaluatorInfo, ExampleId, Stage, TrialBatch};
use gepa_queue::{
    Address, Described, Desk, DeskSettings, Offer, Queue, QueueEvaluator, Served, Stop, Worker,
    WorkerSettings,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A worker in this process.
pub(crate) struct Serving {
    pub(crate) stop: watch::Sender<Stop>,
    pub(crate) task: JoinHandle<Served>,
}

pub(crate) fn address(url: &str) -> Address {
    Address {
        url: url.to_owned(),
        ..Address::default()
    }
}

pub(crate) fn offer() -> Offer {
    Offer::new("test").with("version", "1")
}

/// The evaluator of an engine.
pub(crate) async fn engine(url: &str, batch: usize) -> QueueEvaluator {
    let queue = Arc::new(Queue::connect(&address(url)).await.unwrap());
    let desk = Desk::open(queue, offer(), DeskSettings::default())
        .await
        .unwrap();
    let described = Described {
        info: EvaluatorInfo::without_model("test"),
        deterministic: true,
        score_range: None,
        timeout: Duration::from_secs(30),
        largest_batch: NonZeroUsize::new(batch).unwrap(),
        estimator: None,
    };
    QueueEvaluator::new(Arc::new(desk), described)
}

pub(crate) async fn worker(url: &str, evaluator: Arc<dyn Evaluator>) -> Serving {
    worker_lost_after(url, evaluator, Duration::from_secs(1)).await
}

/// A worker whose work goes to another one when it was silent for this long.
pub(crate) async fn worker_lost_after(
    url: &str,
    evaluator: Arc<dyn Evaluator>,
    lost_after: Duration,
) -> Serving {
    let settings = WorkerSettings {
        slots: NonZeroUsize::new(4).unwrap(),
        lost_after,
        most_deliveries: 3,
    };
    let queue = Arc::new(Queue::connect(&address(url)).await.unwrap());
    let worker = Worker::new(queue, offer(), evaluator).with_settings(settings);
    let (stop, stopping) = watch::channel(Stop::No);
    let task = tokio::spawn(async move { worker.serve(stopping).await.unwrap() });
    Serving { stop, task }
}

/// A batch of one trial.
pub(crate) fn batch(trial: &str, examples: std::ops::Range<u64>) -> TrialBatch {
    TrialBatch {
        candidate: Arc::new(Candidate::new([("instruction", "text")]).unwrap()),
        examples: examples.map(ExampleId::Seed).collect(),
        run_id: "pl_0123456789abcdef".into(),
        trial_id: trial.into(),
        stage: Stage::Pareto,
        iteration: 1,
        trial_index: 0,
        attempt: 1,
    }
}
