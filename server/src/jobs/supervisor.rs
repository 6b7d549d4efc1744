//! The jobs of this process: taken in, worked on, steered, and let go of when the server ends.

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

use super::attendance::{Attendance, Condition};
use super::slots::Slots;
use super::source::{JobSource, PreparedJob};
use crate::settings::ServerSettings;

/// What the outside can ask of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobCommand {
    Cancel,
    Pause,
    Resume,
}

/// Everything the jobs share.
pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) source: Arc<dyn JobSource>,
    pub(super) settings: ServerSettings,
    pub(super) slots: Arc<Slots>,
    jobs: Mutex<BTreeMap<RunId, Attended>>,
}

/// A job someone attends to.
struct Attended {
    commands: mpsc::UnboundedSender<JobCommand>,
    condition: Arc<Mutex<Condition>>,
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

/// Why a submission was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubmitError {
    #[error("the config cannot be used:\n{0}")]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("{0} jobs wait already; submit again when some of them have ended")]
    QueueFull(usize),
    #[error("the server is shutting down; submit again in a moment")]
    Closing,
}

/// Why a command was not passed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the job is over: {0}")]
    Over(&'static str),
    #[error("the run belongs to another process; steer it there")]
    Elsewhere,
    #[error("the job does not run yet, so there is nothing to pause; cancel it or let it wait")]
    NotRunning,
}

impl Supervisor {
    /// Takes up every job the store knows and that is not over, oldest first.
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
            supervisor.attend(&run, None);
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
        self.attend(&run, Some(prepared));
        Ok(run)
    }

    /// Passes a command on to the job it is for.
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
        let attended = jobs.get(job).ok_or(CommandError::Elsewhere)?;
        if command == JobCommand::Pause && !attended.condition.lock().is_running() {
            return Err(CommandError::NotRunning);
        }
        // A job that has ended meanwhile has nobody to receive it, and needs nobody.
        let _ = attended.commands.send(command);
        Ok(())
    }

    /// What a job waits for, if it does.
    pub(crate) fn waiting_for(&self, job: &RunId) -> Option<String> {
        let jobs = self.shared.jobs.lock();
        let condition = jobs.get(job)?.condition.lock();
        condition.waiting_for()
    }

    /// Changes to `true` when the server ends.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Interrupts every job and waits until all are stored; the next server goes on with them.
    pub(crate) async fn shut_down(&self) {
        self.closing.send_replace(true);
        let mut set = std::mem::take(&mut self.tasks.lock().set);
        while set.join_next().await.is_some() {}
    }

    fn attend(&self, run: &RunRow, prepared: Option<PreparedJob>) {
        let (sender, commands) = mpsc::unbounded_channel();
        let condition = Arc::new(Mutex::new(Condition::default()));
        let mut tasks = self.tasks.lock();
        tasks.next_ticket += 1;
        let attendance = Attendance::new(
            Arc::clone(&self.shared),
            run.run_id.clone(),
            tasks.next_ticket,
            run.summary.status == RunStatus::Paused || run.summary.paused,
            prepared,
            commands,
            Arc::clone(&condition),
            self.closing.subscribe(),
        );
        let attended = Attended {
            commands: sender,
            condition,
        };
        let mut jobs = self.shared.jobs.lock();
        jobs.insert(run.run_id.clone(), attended);
        drop(jobs);
        while tasks.set.try_join_next().is_some() {}
        let (shared, job) = (Arc::clone(&self.shared), run.run_id.clone());
        tasks.set.spawn(async move {
            attendance.work().await;
            shared.jobs.lock().remove(&job);
        });
    }
}

impl Shared {
    fn queued(&self) -> usize {
        let jobs = self.jobs.lock();
        let queued = jobs.values().filter(|job| job.condition.lock().is_queued);
        queued.count()
    }
}
