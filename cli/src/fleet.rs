//! Engines that share a `PostgreSQL` store, as the server sees them.

use std::sync::Arc;
use std::time::Duration;

use gepa_engine::{RunId, Store, StoreError};
use gepa_jobs::JobMark;
use gepa_postgres::{PostgresStore, TenantLimits};
use gepa_server::{Backlog, Fleet, TenantQuota};

/// The queue of jobs in the store.
pub(crate) struct PostgresFleet(pub(crate) Arc<PostgresStore>);

#[async_trait::async_trait]
impl Fleet for PostgresFleet {
    async fn adopt(&self) -> Result<(), StoreError> {
        for job in self.0.missing_jobs().await? {
            let mark = JobMark::of(&self.0.run(&job).await?);
            if let Some(JobMark {
                tenant, priority, ..
            }) = mark
            {
                self.0.enqueue(&job, &tenant, priority).await?;
            }
        }
        Ok(())
    }

    async fn enqueue(&self, job: &RunId, tenant: &str, priority: i64) -> Result<(), StoreError> {
        self.0.enqueue(job, tenant, priority).await
    }

    async fn take(
        &self,
        unable: &[RunId],
        quotas: &[TenantQuota],
    ) -> Result<Option<RunId>, StoreError> {
        let limits = quotas.iter().map(|quota| TenantLimits {
            tenant: quota.tenant.clone(),
            share: quota.share,
            max_running: quota.max_running,
            rollouts_per_day: quota.rollouts_per_day,
            tokens_per_day: quota.tokens_per_day,
            micro_usd_per_day: quota.micro_usd_per_day,
        });
        self.0.take_job(unable, &limits.collect::<Vec<_>>()).await
    }

    async fn keep(&self, job: &RunId) -> Result<(), StoreError> {
        self.0.keep_job(job).await
    }

    async fn leave(&self, job: &RunId, is_over: bool) -> Result<(), StoreError> {
        self.0.leave_job(job, is_over).await
    }

    async fn resume(&self, job: &RunId) -> Result<(), StoreError> {
        self.0.resume_job(job).await
    }

    async fn send(&self, job: &RunId, command: &str) -> Result<(), StoreError> {
        self.0.send_command(job, command).await
    }

    async fn received(&self, jobs: &[RunId]) -> Result<Vec<(RunId, String)>, StoreError> {
        self.0.take_commands(jobs).await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let (jobs, oldest) = self.0.backlog().await?;
        Ok(Backlog { jobs, oldest })
    }

    async fn note(&self, job: &RunId, waiting_for: &str) -> Result<(), StoreError> {
        self.0.note_job(job, waiting_for).await
    }

    async fn notes(&self) -> Result<Vec<(RunId, String)>, StoreError> {
        self.0.job_notes().await
    }

    async fn changed(&self, patience: Duration) {
        self.0.wait_for_jobs(patience).await;
    }
}
