//! Long-lived processes that answer other questions than rollouts.

use std::fmt;
use std::path::Path;

use tokio::sync::Semaphore;

use super::exchange::broken;
use super::lines::Line;
use super::pool::Pool;
use super::protocol::{Reply, Speech, read_hello, read_reply};
use super::settings::Launch;
use super::worker::{Worker, too_long};
use super::{ProcessError, ProcessSettings};
use gepa_evaluation::{Evaluation, Failure, FailureKind, Outcome};

/// Asks lasting processes in the line protocol, one question at a time in each. Dropping it kills
/// them.
pub(crate) struct Questions {
    launch: Launch,
    pool: Pool,
    slots: Semaphore,
}

impl Questions {
    /// Checks the settings; nothing is started yet.
    pub(crate) fn new(settings: &ProcessSettings, base: &Path) -> Result<Self, ProcessError> {
        let launch = Launch::resolve(settings, base, read_single_hello)?;
        Ok(Self {
            slots: Semaphore::new(launch.processes),
            pool: Pool::default(),
            launch,
        })
    }

    /// Starts the first process and waits until it is ready.
    pub(crate) async fn start(&self) -> Result<(), ProcessError> {
        let first = self.pool.take(&self.launch).await?;
        self.pool.give_back(first);
        Ok(())
    }

    /// Asks one question; `line` writes it, given its id.
    pub(crate) async fn ask(
        &self,
        line: impl FnOnce(u64) -> serde_json::Result<Vec<u8>>,
    ) -> Evaluation {
        let Ok(_slot) = self.slots.acquire().await else {
            let message = "the process was shut down";
            return Evaluation::free(Outcome::failed(FailureKind::Transient, message));
        };
        let mut worker = match self.pool.take(&self.launch).await {
            Ok(worker) => worker,
            Err(error) => {
                let failed = Outcome::failed(FailureKind::Transient, error.to_string());
                return Evaluation::free(failed);
            }
        };
        match worker.ask(&self.launch, line).await {
            Ok(evaluation) => {
                self.pool.give_back(worker);
                evaluation
            }
            Err(failure) => Evaluation::free(Outcome::Failed(failure)),
        }
    }
}

impl fmt::Debug for Questions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Questions")
            .field("program", &self.launch.program)
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Asks one question. On `Err` the child must not be used again.
    async fn ask(
        &mut self,
        launch: &Launch,
        line: impl FnOnce(u64) -> serde_json::Result<Vec<u8>>,
    ) -> Result<Evaluation, Failure> {
        self.last_id += 1;
        let seconds = launch.timeout.as_secs_f64();
        let asked = tokio::time::timeout(launch.timeout, self.answer_to(launch, line));
        let answered = asked.await.unwrap_or_else(|_| {
            let message = format!("the process did not answer within {seconds} s and was killed");
            Err(Failure::new(FailureKind::Timeout, message))
        });
        match answered {
            Ok(evaluation) => Ok(evaluation),
            Err(failure) => Err(self.fail(failure).await),
        }
    }

    async fn answer_to(
        &mut self,
        launch: &Launch,
        line: impl FnOnce(u64) -> serde_json::Result<Vec<u8>>,
    ) -> Result<Evaluation, Failure> {
        let id = self.last_id;
        let bytes = line(id).map_err(|error| {
            let message = format!("the request cannot be written as JSON: {error}");
            Failure::new(FailureKind::Permanent, message)
        })?;
        if self.send(&bytes).await.is_err() {
            return Err(self.died().await);
        }
        let reply = match self.read(launch.max_line_bytes).await {
            Ok(Line::Complete(reply)) => reply,
            Ok(Line::TooLong) => return Err(broken(&too_long(launch.max_line_bytes))),
            Ok(Line::End) | Err(_) => return Err(self.died().await),
        };
        match read_reply(&reply).map_err(|reason| broken(&reason))? {
            Reply::One(answered, evaluation) if answered == id => Ok(*evaluation),
            Reply::One(answered, _) => {
                let reason = format!("it answered request {answered}, while {id} was asked");
                Err(broken(&reason))
            }
            Reply::End(..) => Err(broken("it answered with a batch, which was not asked")),
        }
    }
}

fn read_single_hello(line: &[u8]) -> Result<Speech, String> {
    match read_hello(line)? {
        Speech::Single => Ok(Speech::Single),
        Speech::Batches(_) => {
            Err("it speaks protocol 2, but is asked one by one; say 1".to_owned())
        }
    }
}
