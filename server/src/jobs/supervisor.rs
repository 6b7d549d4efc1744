//! The jobs of this process: accepts submissions, runs jobs, passes commands on, and interrupts all
//! jobs when the server ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use gepa_configs::ConfigError;
use gepa_engine::record::{RunRow, RunStatus};
use gepa_engine::{RunError, RunId, Store, StoreError};
use gepa_jobs::JobMark;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::job_runner::{JobRunner, JobState};
use super::slots::Slots;
use super::source::{JobSource, PreparedJob};
use crate::settings::ServerSettings;

/// What a client can request of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobCommand {
    Cancel,
    Pause,
    Resume,
}

/// What all jobs share.
pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) source: Arc<dyn JobSource>,
    pub(super) settings: ServerSettings,
    pub(super) slots: Arc<Slots>,
    jobs: Mutex<BTreeMap<RunId, RunningJob>>,
}

/// A job that this process has a [`JobRunner`] for.
struct RunningJob {
    commands: mpsc::UnboundedSender<JobCommand>,
    state: Arc<Mutex<JobState>>,
}

/// The jobs of a server.
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    closing: watch::Sender<bool>,
    tasks: Mutex<Tasks>,
}

#[derive(Default)]
struct Tasks {
    set: JoinSet<()>,
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
}

impl Supervisor {
    /// Starts every job in the store that has not ended, oldest first.
    pub(crate) async fn start(
        store: Arc<dyn Store>,
        source: Arc<dyn JobSource>,
        settings: ServerSettings,
    ) -> Result<Self, StoreError> {
        let runs = store.runs().await?;
        let supervisor = Self {
            shared: Arc::new(Shared {
                slots: Slots::new(settings.max_jobs),
                store,
                source,
                settings,
                jobs: Mutex::default(),
            }),
            closing: watch::Sender::new(false),
            tasks: Mutex::default(),
        };
        let open = runs
            .into_iter()
            .filter(|run| !run.summary.status.is_terminal() && JobMark::of(run).is_some());
        for run in open {
            supervisor.start_job(&run, None);
        }
        Ok(supervisor)
    }

    /// Checks a submission and queues it as a job.
    pub(crate) async fn submit(
        &self,
        config_body: &Value,
        overrides: &Map<String, Value>,
    ) -> Result<RunRow, SubmitError> {
        if *self.closing.borrow() {
            return Err(SubmitError::Closing);
        }
        let most = self.shared.settings.max_queued;
        if self.shared.queued() >= most {
            return Err(SubmitError::QueueFull(most));
        }
        let prepared = self.shared.source.submitted(config_body, overrides).await?;
        let run = prepared.builder(&self.shared.store).create().await?;
        self.start_job(&run, Some(prepared));
        Ok(run)
    }

    /// Passes a command on to its job.
    pub(crate) async fn command(
        &self,
        job: &RunId,
        command: JobCommand,
    ) -> Result<(), CommandError> {
        let run = self.shared.store.run(job).await?;
        if run.summary.status.is_terminal() {
            return Err(CommandError::Over(run.summary.status.as_str()));
        }
        let jobs = self.shared.jobs.lock();
        let running = jobs.get(job).ok_or(CommandError::Elsewhere)?;
        if command == JobCommand::Pause && !running.state.lock().is_running() {
            return Err(CommandError::NotRunning);
        }
        // Sending fails only if the job has just ended; the command has no effect then.
        let _ = running.commands.send(command);
        Ok(())
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
        let mut set = std::mem::take(&mut self.tasks.lock().set);
        while set.join_next().await.is_some() {}
    }

    fn start_job(&self, run: &RunRow, prepared: Option<PreparedJob>) {
        let (sender, commands) = mpsc::unbounded_channel();
        let state = Arc::new(Mutex::new(JobState::default()));
        let mut tasks = self.tasks.lock();
        tasks.next_ticket += 1;
        let runner = JobRunner::new(
            Arc::clone(&self.shared),
            run.run_id.clone(),
            tasks.next_ticket,
            run.summary.status == RunStatus::Paused || run.summary.paused,
            prepared,
            commands,
            Arc::clone(&state),
            self.closing.subscribe(),
        );
        let running = RunningJob {
            commands: sender,
            state,
        };
        let mut jobs = self.shared.jobs.lock();
        jobs.insert(run.run_id.clone(), running);
        drop(jobs);
        while tasks.set.try_join_next().is_some() {}
        let (shared, job) = (Arc::clone(&self.shared), run.run_id.clone());
        tasks.set.spawn(async move {
            Box::pin(runner.work()).await;
            shared.jobs.lock().remove(&job);
        });
    }
}

impl Shared {
    fn queued(&self) -> usize {
        let jobs = self.jobs.lock();
        let queued = jobs.values().filter(|job| job.state.lock().is_queued);
        queued.count()
    }
}
