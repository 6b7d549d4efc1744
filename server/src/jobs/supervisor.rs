//! The jobs of this process: accepts submissions, runs jobs, passes commands on, and interrupts all
//! jobs when the server ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use gepa_configs::ConfigError;
use gepa_engine::record::{RunRow, RunStatus};
use gepa_engine::{RunControl, RunError, RunId, Seq, StopReason, StoreError, abandon};
use gepa_jobs::JobMark;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::command::JobCommand;
use super::fleet::{Backlog, Fleet};
use super::job_runner::JobRunner;
use super::job_state::JobState;
use super::shared::{RunningJob, Shared};
use super::slots::Slot;
use super::source::PreparedJob;

/// The jobs of a server.
pub(crate) struct Supervisor {
    pub(super) shared: Arc<Shared>,
    pub(super) closing: watch::Sender<bool>,
    pub(super) tasks: Mutex<Tasks>,
}

#[derive(Default)]
pub(super) struct Tasks {
    pub(super) set: JoinSet<()>,
    next_ticket: u64,
}

/// Why a submission was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubmitError {
    #[error("the config cannot be used:\n{0}")]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("the queue is full ({0} jobs are waiting); submit again when some of them have ended")]
    QueueFull(usize),
    #[error("the server is shutting down; submit again in a moment")]
    Closing,
    #[error("{0}; the scores that the branch shares with its origin rest on it. Begin a new job")]
    OtherApp(String),
    /// The run is no search, so nothing can branch from it.
    #[error("{0}")]
    Evaluation(String),
}

/// Why a command was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the job is over: {0}")]
    Over(&'static str),
    #[error("another process owns the run; send the command to that process")]
    Elsewhere,
    #[error("the job is not running, so it cannot be paused; cancel it or let it wait")]
    NotRunning,
    #[error("{0}")]
    Refused(String),
}

impl Supervisor {
    /// Checks a submission and queues it as a job.
    pub(crate) async fn submit(
        &self,
        config_body: &Value,
        overrides: &Map<String, Value>,
        tenant: &str,
        priority: i64,
    ) -> Result<RunRow, SubmitError> {
        if *self.closing.borrow() {
            return Err(SubmitError::Closing);
        }
        let most = self.shared.settings.max_queued;
        if self.shared.queued() >= most {
            return Err(SubmitError::QueueFull(most));
        }
        let prepared = self.shared.source.submitted(config_body, overrides).await?;
        let run = prepared
            .submission(&self.shared.store, tenant, priority)
            .create()
            .await?;
        let begun = self.begin(&run, Some(prepared)).await;
        begun.map_err(RunError::Store)?;
        Ok(run)
    }

    /// Passes a command on to its job. Returns the command's entry in the journal, where it is known.
    pub(crate) async fn command(
        &self,
        job: &RunId,
        command: JobCommand,
    ) -> Result<Option<Seq>, CommandError> {
        let run = self.shared.store.run(job).await?;
        if run.summary.status.is_terminal() {
            return Err(CommandError::Over(run.summary.status.as_str()));
        }
        if self.tell(job, &command)? {
            return Ok(self.journaled(&run, &command).await?);
        }
        match &self.shared.fleet {
            Some(fleet) => {
                self.command_elsewhere(&**fleet, &run, command).await?;
                Ok(None)
            }
            None => Err(CommandError::Elsewhere),
        }
    }

    /// Sends a command to the task of a job; `false` if the job has none here.
    fn tell(&self, job: &RunId, command: &JobCommand) -> Result<bool, CommandError> {
        let jobs = self.shared.jobs.lock();
        let Some(running) = jobs.get(job) else {
            return Ok(false);
        };
        if matches!(command, JobCommand::Pause(_)) && !running.state.lock().is_running() {
            return Err(CommandError::NotRunning);
        }
        // Sending fails only if the job has just ended; the command has no effect then.
        let _ = running.commands.send(command.clone());
        Ok(true)
    }

    /// A command for a job that another engine works on, or none.
    async fn command_elsewhere(
        &self,
        fleet: &dyn Fleet,
        run: &RunRow,
        command: JobCommand,
    ) -> Result<(), CommandError> {
        let job = &run.run_id;
        if self.shared.store.is_claimed(job).await? {
            return Ok(fleet.send(job, &command.message()).await?);
        }
        match command {
            JobCommand::Pause(_) => Err(CommandError::NotRunning),
            JobCommand::Resume(_) => Ok(fleet.resume(job).await?),
            JobCommand::Cancel => {
                match abandon(&*self.shared.store, job, StopReason::Cancelled).await {
                    Ok(()) => Ok(fleet.leave(job, true).await?),
                    // An engine has taken it meanwhile.
                    Err(RunError::Store(StoreError::Claimed { .. })) => {
                        Ok(fleet.send(job, &command.message()).await?)
                    }
                    Err(RunError::Store(error)) => Err(error.into()),
                    Err(error) => Err(CommandError::Refused(error.to_string())),
                }
            }
        }
    }

    /// Passes a command on to a job of this engine.
    pub(super) fn pass_on(&self, job: &RunId, command: JobCommand) {
        let jobs = self.shared.jobs.lock();
        if let Some(running) = jobs.get(job) {
            let _ = running.commands.send(command);
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn next_ticket(&self) -> u64 {
        let mut tasks = self.tasks.lock();
        tasks.next_ticket += 1;
        tasks.next_ticket
    }

    /// What jobs of all engines wait for.
    pub(crate) async fn waiting_elsewhere(&self) -> BTreeMap<RunId, String> {
        match &self.shared.fleet {
            // The answer is an addition to a job's status, which is right without it.
            Some(fleet) => fleet
                .notes()
                .await
                .unwrap_or_default()
                .into_iter()
                .collect(),
            None => BTreeMap::new(),
        }
    }

    /// The jobs that wait for an engine with a free slot.
    pub(crate) async fn backlog(&self) -> Result<Backlog, StoreError> {
        match &self.shared.fleet {
            Some(fleet) => fleet.backlog().await,
            None => Ok(self.shared.backlog()),
        }
    }

    /// Lets this engine, or the next one of the fleet that is free, work on a job.
    pub(super) async fn begin(
        &self,
        run: &RunRow,
        prepared: Option<PreparedJob>,
    ) -> Result<(), StoreError> {
        let Some(fleet) = &self.shared.fleet else {
            self.start_job(run, prepared);
            return Ok(());
        };
        if let Some(prepared) = prepared {
            self.shared.keep_submitted(&run.run_id, prepared);
        }
        let (tenant, priority) = JobMark::of(run)
            .map(|mark| (mark.tenant, mark.priority))
            .unwrap_or_default();
        fleet.enqueue(&run.run_id, &tenant, priority).await
    }

    pub(super) fn control(&self, run: &RunId) -> Option<RunControl> {
        let jobs = self.shared.jobs.lock();
        let state = jobs.get(run)?.state.lock();
        state.control.clone()
    }

    /// What a job waits for; `None` if it does not wait.
    pub(crate) fn waiting_for(&self, job: &RunId) -> Option<String> {
        let jobs = self.shared.jobs.lock();
        let state = jobs.get(job)?.state.lock();
        state.waiting_for()
    }

    /// Changes to `true` when the server ends.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Interrupts every job and waits until all are stored. The next server resumes them.
    pub(crate) async fn shut_down(&self) {
        self.closing.send_replace(true);
        loop {
            // A task that ends may have begun another one.
            let mut set = std::mem::take(&mut self.tasks.lock().set);
            if set.is_empty() {
                return;
            }
            while set.join_next().await.is_some() {}
        }
    }

    pub(super) fn start_job(&self, run: &RunRow, prepared: Option<PreparedJob>) {
        let is_paused = run.summary.status == RunStatus::Paused || run.summary.paused;
        let ticket = self.next_ticket();
        self.start_runner(run.run_id.clone(), ticket, is_paused, prepared, None);
    }

    /// Starts a job that was taken from the queue of a fleet.
    pub(super) fn start_taken(&self, job: RunId, ticket: u64, slot: Slot) {
        let prepared = self.shared.submitted.lock().remove(&job);
        self.start_runner(job, ticket, false, prepared, Some(slot));
    }

    fn start_runner(
        &self,
        job: RunId,
        ticket: u64,
        is_paused: bool,
        prepared: Option<PreparedJob>,
        slot: Option<Slot>,
    ) {
        let (sender, commands) = mpsc::unbounded_channel();
        let state = Arc::new(Mutex::new(JobState::default()));
        let runner = JobRunner::new(
            Arc::clone(&self.shared),
            job.clone(),
            ticket,
            is_paused,
            prepared,
            commands,
            Arc::clone(&state),
            self.closing.subscribe(),
        );
        let running = RunningJob {
            commands: sender,
            state,
            noted: String::new(),
        };
        self.shared.jobs.lock().insert(job.clone(), running);
        let mut tasks = self.tasks.lock();
        while tasks.set.try_join_next().is_some() {}
        let shared = Arc::clone(&self.shared);
        tasks.set.spawn(async move {
            Box::pin(runner.work(slot)).await;
            shared.jobs.lock().remove(&job);
            shared.leave(&job).await;
        });
    }
}
