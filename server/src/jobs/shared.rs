//! What all jobs of a server share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gepa_engine::{RunId, Store};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::command::JobCommand;
use super::fleet::{Backlog, Fleet};
use super::job_state::JobState;
use super::slots::Slots;
use super::source::{JobSource, PreparedJob};
use crate::access::Access;
use crate::settings::ServerSettings;

/// A job that this engine cannot begin, for want of a key, is left to others for this long.
const LEAVE_ALONE: Duration = Duration::from_mins(1);

/// What all jobs share.
pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) source: Arc<dyn JobSource>,
    pub(super) settings: ServerSettings,
    pub(super) access: Access,
    pub(super) slots: Arc<Slots>,
    /// The engines that share the store; `None` where this process is the only one.
    pub(super) fleet: Option<Arc<dyn Fleet>>,
    /// Jobs that this engine cannot begin.
    pub(super) unable: Mutex<Unable>,
    /// Jobs that were submitted here and are in the queue of the fleet. They may hold keys.
    pub(super) submitted: Mutex<BTreeMap<RunId, PreparedJob>>,
    pub(super) jobs: Mutex<BTreeMap<RunId, RunningJob>>,
}

/// A job that this process has a [`JobRunner`] for.
pub(super) struct RunningJob {
    pub(super) commands: mpsc::UnboundedSender<JobCommand>,
    pub(super) state: Arc<Mutex<JobState>>,
    /// The last note to the fleet about what the job waits for.
    pub(super) noted: String,
}

impl Shared {
    pub(super) fn keep_submitted(&self, job: &RunId, prepared: PreparedJob) {
        self.submitted.lock().insert(job.clone(), prepared);
    }

    /// Forgets what was submitted here of jobs that have ended on other engines.
    pub(super) async fn forget_ended(&self) {
        let waiting: Vec<RunId> = self.submitted.lock().keys().cloned().collect();
        for job in waiting {
            let run = self.store.run(&job).await;
            if run.is_ok_and(|run| run.summary.status.is_terminal()) {
                self.submitted.lock().remove(&job);
            }
        }
    }

    /// The jobs that this engine works on.
    pub(super) fn known(&self) -> Vec<RunId> {
        self.jobs.lock().keys().cloned().collect()
    }

    /// What jobs wait for, where that has changed since the last call.
    pub(super) fn changed_notes(&self) -> Vec<(RunId, String)> {
        let mut changed = Vec::new();
        for (job, running) in self.jobs.lock().iter_mut() {
            let note = running.state.lock().waiting_for().unwrap_or_default();
            if note != running.noted {
                running.noted.clone_from(&note);
                changed.push((job.clone(), note));
            }
        }
        changed
    }

    /// Gives a job back to the fleet.
    pub(super) async fn leave(&self, job: &RunId) {
        let Some(fleet) = &self.fleet else {
            return;
        };
        let run = self.store.run(job).await;
        let is_over = run.is_ok_and(|run| run.summary.status.is_terminal());
        if let Err(error) = fleet.leave(job, is_over).await {
            tracing::warn!(%job, %error, "a job is free again when its claim expires");
        }
    }

    /// The jobs of this process that wait for a slot.
    pub(super) fn backlog(&self) -> Backlog {
        let jobs = self.jobs.lock();
        let since = jobs
            .values()
            .filter_map(|job| job.state.lock().queued_since);
        since.fold(Backlog::default(), |sum, since| Backlog {
            jobs: sum.jobs + 1,
            oldest: sum.oldest.max(since.elapsed()),
        })
    }

    pub(super) fn queued(&self) -> usize {
        self.backlog().jobs as usize
    }
}

/// Jobs that this engine could not begin, and since when.
#[derive(Debug, Default)]
pub(super) struct Unable(BTreeMap<RunId, Instant>);

impl Unable {
    pub(super) fn add(&mut self, job: RunId) {
        self.0.insert(job, Instant::now());
    }

    pub(super) fn jobs(&mut self) -> Vec<RunId> {
        self.0.retain(|_, since| since.elapsed() < LEAVE_ALONE);
        self.0.keys().cloned().collect()
    }
}
