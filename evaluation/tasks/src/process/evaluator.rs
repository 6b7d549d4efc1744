//! The evaluator over the pool.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::pool::Pool;
use super::settings::Launch;
use super::{ProcessError, ProcessSettings};
use crate::dataset::Dataset;
use gepa_evaluation::{Evaluation, Evaluator, EvaluatorInfo, FailureKind, Outcome, RolloutRequest};

const STOP_GRACE: Duration = Duration::from_secs(2);

/// Evaluates candidates in long-lived child processes, one rollout at a time in each.
///
/// Dropping it kills the processes; [`shutdown`](Self::shutdown) lets them end by themselves.
pub struct ProcessEvaluator {
    launch: Launch,
    pool: Pool,
    slots: Semaphore,
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
        let launch = Launch::resolve(settings, base)?;
        let pool = Pool::default();
        let first = pool.take(&launch).await?;
        pool.give_back(first);
        Ok(Self {
            slots: Semaphore::new(launch.processes),
            launch,
            pool,
            dataset,
            deterministic: settings.deterministic,
        })
    }

    /// Ends the processes: those at rest are asked to by closing their stdin and killed when they
    /// have not after two seconds; those at work end with their rollout. Later rollouts fail.
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

    async fn run(&self, request: &RolloutRequest) -> Evaluation {
        let row = match &self.dataset {
            None => None,
            Some(dataset) => match dataset.row(&request.example) {
                Some(row) => Some(row),
                None => return unknown_example(request),
            },
        };
        let Ok(_slot) = self.slots.acquire().await else {
            return failed(FailureKind::Transient, "the evaluator was shut down");
        };
        let mut worker = match self.pool.take(&self.launch).await {
            Ok(worker) => worker,
            Err(error) => return failed(FailureKind::Transient, error.to_string()),
        };
        let answered_before = worker.has_answered();
        match worker.ask(request, row, &self.launch).await {
            Ok(evaluation) => {
                self.pool.give_back(worker);
                evaluation
            }
            Err(failure) => {
                self.pool.lost(answered_before);
                Evaluation::free(Outcome::Failed(failure))
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
        self.run(&request).await
    }

    fn is_deterministic(&self) -> bool {
        self.deterministic
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("process")
    }
}

fn unknown_example(request: &RolloutRequest) -> Evaluation {
    let message = format!(
        "the dataset has no example `{}`; check the ids of the sets",
        request.example
    );
    failed(FailureKind::Permanent, message)
}

fn failed(kind: FailureKind, message: impl Into<String>) -> Evaluation {
    Evaluation::free(Outcome::failed(kind, message))
}
