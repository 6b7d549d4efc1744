//! The seam to what engines share that work on one store: the queue of jobs, and commands for jobs
//! that another engine works on.

use std::time::Duration;

use async_trait::async_trait;
use gepa_engine::{RunId, StoreError};

use crate::access::TenantQuota;

/// Jobs that wait for a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many they are.
    pub jobs: u64,
    /// How long the oldest of them has waited.
    pub oldest: Duration,
}

/// Engines on several machines that share one store.
///
/// **The caller** works on a job only after [`take`](Self::take) gave it out, and gives it back with
/// [`leave`](Self::leave).
///
/// **The implementor** gives a job to one engine at a time: taking a job claims its run, and the next
/// claim of the store in this process hands that claim out. A job whose engine died is free when the
/// claim expires. A command reaches the engine that works on the job, or the next one that does.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// Puts the open jobs of the store into the queue that are not in it, such as copied ones.
    async fn adopt(&self) -> Result<(), StoreError>;

    /// Puts a job into the queue. Jobs of a greater priority go first.
    async fn enqueue(&self, job: &RunId, tenant: &str, priority: i64) -> Result<(), StoreError>;

    /// Takes the next job, within the quotas of its tenant. Jobs in `unable` are left to others.
    async fn take(
        &self,
        unable: &[RunId],
        quotas: &[TenantQuota],
    ) -> Result<Option<RunId>, StoreError>;

    /// Keeps a job while no run of it is worked on.
    async fn keep(&self, job: &RunId) -> Result<(), StoreError>;

    /// Gives a job back. If it is over, it leaves the queue.
    async fn leave(&self, job: &RunId, is_over: bool) -> Result<(), StoreError>;

    /// Lets a paused job without an engine go on.
    async fn resume(&self, job: &RunId) -> Result<(), StoreError>;

    /// Sends a command to the engine that works on the job.
    async fn send(&self, job: &RunId, command: &str) -> Result<(), StoreError>;

    /// Takes the commands for these jobs.
    async fn received(&self, jobs: &[RunId]) -> Result<Vec<(RunId, String)>, StoreError>;

    /// The jobs that wait for an engine with a free slot, those beyond a quota as well.
    async fn backlog(&self) -> Result<Backlog, StoreError>;

    /// Notes what a job waits for; an empty text if it does not wait.
    async fn note(&self, job: &RunId, waiting_for: &str) -> Result<(), StoreError>;

    /// What the open jobs wait for, as their engines noted it.
    async fn notes(&self) -> Result<Vec<(RunId, String)>, StoreError>;

    /// Waits until the queue may have changed, and at most for `patience`.
    async fn changed(&self, patience: Duration);
}
