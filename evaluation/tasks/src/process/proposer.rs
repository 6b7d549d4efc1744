//! The proposer over a pool of processes.

use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::lines::Line;
use super::pool::Pool;
use super::proposal_lines::{RequestLine, read_hello, read_reply};
use super::settings::Launch;
use super::worker::{Worker, too_long};
use super::{ProcessError, ProcessProposerSettings};
use gepa_evaluation::{
    Failure, FailureKind, ProposalRequest, ProposedTexts, Proposer, ProposerError,
    ProposerErrorKind,
};

/// Has components rewritten by long-lived child processes, one proposal at a time in each.
///
/// Dropping it kills the processes.
pub struct ProcessProposer {
    launch: Launch,
    pool: Pool,
    slots: Semaphore,
}

impl ProcessProposer {
    /// Starts the first process and waits until it is ready, so that a command that cannot work is
    /// found here; the others start when they are needed. Relative paths start at `base`, the config
    /// file's folder.
    pub async fn start(
        settings: &ProcessProposerSettings,
        base: &Path,
    ) -> Result<Self, ProcessError> {
        let launch = Launch::resolve(&settings.as_process(), base, read_hello)?;
        let pool = Pool::default();
        let first = pool.take(&launch).await?;
        pool.give_back(first);
        Ok(Self {
            slots: Semaphore::new(launch.processes),
            launch,
            pool,
        })
    }
}

#[async_trait]
impl Proposer for ProcessProposer {
    async fn propose(&self, request: ProposalRequest) -> Result<ProposedTexts, ProposerError> {
        let Ok(_slot) = self.slots.acquire().await else {
            return Err(failed("the proposer was shut down"));
        };
        let worker = self.pool.take(&self.launch).await;
        let mut worker = worker.map_err(|error| failed(error.to_string()))?;
        match worker.propose(&request, &self.launch).await {
            Ok(answer) => {
                self.pool.give_back(worker);
                answer
            }
            Err(failure) => Err(failed(failure.message)),
        }
    }
}

impl fmt::Debug for ProcessProposer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment, which may hold secrets, stays out.
        formatter
            .debug_struct("ProcessProposer")
            .field("program", &self.launch.program)
            .field("processes", &self.launch.processes)
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Asks the child for new texts. On `Err` the child was killed and must not be used again; an
    /// answer may say that there are no texts.
    async fn propose(
        &mut self,
        request: &ProposalRequest,
        launch: &Launch,
    ) -> Result<Result<ProposedTexts, ProposerError>, Failure> {
        self.last_id += 1;
        let seconds = launch.timeout.as_secs_f64();
        let deadline = Instant::now() + launch.timeout;
        let line = RequestLine::new(self.last_id, request, seconds);
        let asked = self.ask_for_texts(&line, launch);
        let failure = match tokio::time::timeout_at(deadline, asked).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(message)) => message,
            Err(_) => format!("the proposer did not answer within {seconds} s and was killed"),
        };
        Err(self
            .fail(Failure::new(FailureKind::Transient, failure))
            .await)
    }

    async fn ask_for_texts(
        &mut self,
        line: &RequestLine<'_>,
        launch: &Launch,
    ) -> Result<Result<ProposedTexts, ProposerError>, String> {
        let line = serde_json::to_vec(line)
            .map_err(|error| format!("the request cannot be written as JSON: {error}"))?;
        let broken = |reason: &str| format!("the proposer broke the protocol: {reason}");
        let answer = match self.send(&line).await {
            Ok(()) => self.read(launch.max_line_bytes).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(Line::Complete(line)) => {
                read_reply(&line, self.last_id).map_err(|reason| broken(&reason))
            }
            Ok(Line::TooLong) => Err(broken(&too_long(launch.max_line_bytes))),
            Ok(Line::End) | Err(_) => {
                let ended = self.ended("died", "answered").await;
                Err(format!("the proposer {ended}"))
            }
        }
    }
}

fn failed(message: impl Into<String>) -> ProposerError {
    ProposerError::new(ProposerErrorKind::Failed, message)
}
