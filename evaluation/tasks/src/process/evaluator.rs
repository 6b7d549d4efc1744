//! The evaluator over the pool.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::exchange::Item;
use super::pool::Pool;
use super::protocol::{Speech, read_hello};
use super::settings::Launch;
use super::{ProcessError, ProcessSettings};
use crate::dataset::Dataset;
use gepa_evaluation::{
    BatchAnswers, Evaluation, Evaluator, EvaluatorInfo, ExampleId, FailureKind, Outcome,
    RolloutRequest, ScoreRange, TrialBatch, evaluate_alone,
};

const STOP_GRACE: Duration = Duration::from_secs(2);

/// Evaluates candidates in long-lived child processes, one rollout at a time in each, or one batch
/// of them where the program takes batches.
///
/// Dropping it kills the processes; [`shutdown`](Self::shutdown) lets them end by themselves.
pub struct ProcessEvaluator {
    launch: Launch,
    pool: Pool,
    slots: Semaphore,
    /// The hello of the first process; that of a later one may differ.
    speech: Speech,
    dataset: Option<Arc<Dataset>>,
    deterministic: bool,
}

impl ProcessEvaluator {
    /// Starts the first process and waits until it is ready, so that a command that cannot work is
    /// found here and not in the middle of a run; the others start when they are needed. Relative
    /// paths start at `base`, the config file's folder. With a dataset, requests carry the row.
    pub async fn start(
        settings: &ProcessSettings,
        base: &Path,
        dataset: Option<Arc<Dataset>>,
    ) -> Result<Self, ProcessError> {
        let launch = Launch::resolve(settings, base, read_hello)?;
        let pool = Pool::default();
        let first = pool.take(&launch).await?;
        let speech = first.speech;
        pool.give_back(first);
        Ok(Self {
            slots: Semaphore::new(launch.processes),
            launch,
            pool,
            speech,
            dataset,
            deterministic: settings.deterministic,
        })
    }

    /// Ends the processes. The stdin of idle ones is closed, and they are killed if they have not
    /// ended after two seconds. Busy ones end with their rollout. Later rollouts fail.
    pub async fn shutdown(&self) {
        self.slots.close();
        let stops = self
            .pool
            .close()
            .into_iter()
            .map(|worker| tokio::spawn(worker.stop(STOP_GRACE)));
        let running: Vec<_> = stops.collect();
        for stop in running {
            // A stop that panicked has dropped, and so killed, its process.
            let _ = stop.await;
        }
    }

    async fn run(&self, batch: &TrialBatch, answers: &BatchAnswers) {
        let mut items = Vec::with_capacity(batch.examples.len());
        for (place, example) in batch.examples.iter().enumerate() {
            let row = self.dataset.as_ref().map(|dataset| dataset.row(example));
            match row {
                Some(None) => answers.give(place, unknown_example(example)),
                row => items.push(Item {
                    place,
                    row: row.flatten(),
                }),
            }
        }
        let mut rest = &items[..];
        while !rest.is_empty() {
            let refuse = |message: &str| {
                for item in rest {
                    answers.give(item.place, failed(FailureKind::Transient, message));
                }
            };
            let Ok(_slot) = self.slots.acquire().await else {
                return refuse("the evaluator was shut down");
            };
            let mut worker = match self.pool.take(&self.launch).await {
                Ok(worker) => worker,
                Err(error) => return refuse(&error.to_string()),
            };
            let largest = worker.speech.largest_batch();
            let count = largest.map_or(rest.len(), |most| most.get().min(rest.len()));
            let (asked, later) = rest.split_at(count);
            rest = later;
            if worker.evaluate(batch, asked, answers, &self.launch).await {
                self.pool.give_back(worker);
            }
        }
    }
}

impl fmt::Debug for ProcessEvaluator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment, which may hold secrets, stays out.
        formatter
            .debug_struct("ProcessEvaluator")
            .field("program", &self.launch.program)
            .field("processes", &self.launch.processes)
            .field("deterministic", &self.deterministic)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Evaluator for ProcessEvaluator {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        evaluate_alone(self, request).await
    }

    fn largest_batch(&self) -> Option<NonZeroUsize> {
        self.speech.largest_batch()
    }

    async fn evaluate_batch(&self, batch: TrialBatch, answers: &BatchAnswers) {
        self.run(&batch, answers).await;
    }

    fn score_range(&self) -> Option<ScoreRange> {
        self.launch.score_range
    }

    fn is_deterministic(&self) -> bool {
        self.deterministic
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("process")
    }
}

fn unknown_example(example: &ExampleId) -> Evaluation {
    let message = format!("the dataset has no example `{example}`; check the ids of the sets");
    failed(FailureKind::Permanent, message)
}

fn failed(kind: FailureKind, message: impl Into<String>) -> Evaluation {
    Evaluation::free(Outcome::failed(kind, message))
}
