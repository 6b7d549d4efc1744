//! The queue of jobs: a table, from which an engine takes a job by claiming its run.

use std::time::Duration;

use gepa_engine::{ClaimToken, RunId, Store, StoreError};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::claims::{LEASE, owner};
use crate::failure::Failure;
use crate::pipeline::Pipeline;
use crate::read::of;
use crate::store::PostgresStore;
use crate::value::{Parameter, escaped, unescaped};

/// Held while a job is chosen, so that the numbers of running jobs are exact.
const CHOICE: i64 = 0x4745_5042;

/// The topic of jobs that were submitted, resumed or commanded.
const JOBS: &str = "jobs";

/// A tenant's part of the capacity. A tenant that is not listed has a share of 1 and no limits.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantLimits {
    /// Its name.
    pub tenant: String,
    /// Of tenants with waiting jobs, the one with the fewest running jobs per share goes first. Above 0.
    pub share: f64,
    /// The most jobs that run at once.
    pub max_running: Option<u64>,
    /// Rollouts in a day, UTC, after which no further job begins.
    pub rollouts_per_day: Option<u64>,
    /// Tokens in a day, UTC, after which no further job begins.
    pub tokens_per_day: Option<u64>,
    /// Micro-dollars in a day, UTC, after which no further job begins.
    pub micro_usd_per_day: Option<u64>,
}

impl PostgresStore {
    /// Puts a run into the queue of jobs.
    pub async fn enqueue(
        &self,
        run: &RunId,
        tenant: &str,
        priority: i64,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO {s}.jobs (run_id, tenant, priority) VALUES ($1, $2, $3) \
                   ON CONFLICT (run_id) DO NOTHING";
        let values = [of(run), text(tenant), Parameter::Integer(priority)];
        self.execute(sql, &values).await?;
        self.keeper()?.wake(JOBS);
        Ok(())
    }

    /// The runs among those given that have not ended and are not in the queue, such as copied ones.
    pub async fn missing_jobs(&self) -> Result<Vec<RunId>, StoreError> {
        let sql = self.database.sql(
            "SELECT run_id FROM {s}.runs r WHERE status NOT IN ('succeeded', 'failed', 'cancelled') \
             AND (config::json -> 'job') IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM {s}.jobs j WHERE j.run_id = r.run_id) ORDER BY id",
        );
        let rows = self.database.rows(&sql, &[]).await?;
        Ok(rows.iter().filter_map(|row| run_id(row, 0)).collect())
    }

    /// Takes the next job that no engine works on and claims its run; [`claim`](Store::claim) hands
    /// that claim out. Jobs in `unable` are left to other engines.
    pub async fn take_job(
        &self,
        unable: &[RunId],
        tenants: &[TenantLimits],
    ) -> Result<Option<RunId>, StoreError> {
        let owner = owner();
        let found = self.try_take(unable, tenants, &owner).await;
        let found = found.map_err(|failure| failure.into_error(&self.database.address))?;
        let Some(token) = found else {
            return Ok(None);
        };
        let run = token.run.clone();
        let claim = self.keeper()?.hold(token, &owner);
        self.reserved.lock().insert(run.clone(), claim);
        Ok(Some(run))
    }

    async fn try_take(
        &self,
        unable: &[RunId],
        tenants: &[TenantLimits],
        owner: &str,
    ) -> Result<Option<ClaimToken>, Failure> {
        let mut pipeline = Pipeline::begin(&self.database).await?;
        let lock = "SELECT pg_advisory_xact_lock($1)::text";
        pipeline.push(lock.to_owned(), vec![Parameter::Integer(CHOICE)]);
        // Only after the lock is held does the next statement see what was taken before.
        pipeline.flush().await?;
        let sql = self.database.sql(&format!(
            "WITH limits AS (SELECT * FROM unnest($3::text[], $4::double precision[], $5::bigint[], \
             $6::bigint[], $7::bigint[], $8::bigint[]) \
             AS t (tenant, share, most, rollouts, tokens, micro_usd)), \
             running AS (SELECT j.tenant, count(*) AS jobs FROM {{s}}.jobs j \
             JOIN {{s}}.claims c USING (run_id) WHERE c.until > clock_timestamp() GROUP BY 1), \
             today AS (SELECT tenant, sum(rollouts) AS rollouts, sum(tokens) AS tokens, \
             sum(cost_micro_usd) AS micro_usd FROM {{s}}.spending \
             WHERE day = (clock_timestamp() AT TIME ZONE 'UTC')::date GROUP BY 1), \
             next AS (SELECT c.run_id FROM {{s}}.jobs j JOIN {{s}}.claims c USING (run_id) \
             JOIN {{s}}.runs r USING (run_id) LEFT JOIN limits l ON l.tenant = j.tenant \
             LEFT JOIN running n ON n.tenant = j.tenant LEFT JOIN today d ON d.tenant = j.tenant \
             WHERE c.until <= clock_timestamp() AND j.run_id <> ALL($2::text[]) \
             AND r.status NOT IN ('succeeded', 'failed', 'cancelled') \
             AND (r.status <> 'paused' OR j.resume) \
             AND (l.most IS NULL OR coalesce(n.jobs, 0) < l.most) \
             AND (l.rollouts IS NULL OR coalesce(d.rollouts, 0) < l.rollouts) \
             AND (l.tokens IS NULL OR coalesce(d.tokens, 0) < l.tokens) \
             AND (l.micro_usd IS NULL OR coalesce(d.micro_usd, 0) < l.micro_usd) \
             ORDER BY j.priority DESC, coalesce(n.jobs, 0) / coalesce(l.share, 1), j.id \
             LIMIT 1 FOR UPDATE OF c SKIP LOCKED), \
             resumed AS (UPDATE {{s}}.jobs SET resume = false, note = '' \
             WHERE run_id IN (SELECT run_id FROM next)) \
             UPDATE {{s}}.claims c SET token = token + 1, owner = $1, \
             until = clock_timestamp() + {LEASE} FROM next WHERE c.run_id = next.run_id \
             RETURNING c.run_id, c.token"
        ));
        let count = |value: fn(&TenantLimits) -> Option<u64>| {
            let counts = tenants.iter().map(value);
            Parameter::Integers(
                counts
                    .map(|count| count.map(|count| count as i64))
                    .collect(),
            )
        };
        let names = tenants
            .iter()
            .map(|limits| Some(escaped((&*limits.tenant).into()).into_owned()));
        pipeline.push(
            sql,
            vec![
                text(owner),
                Parameter::Texts(unable.iter().map(|run| Some(run.to_string())).collect()),
                Parameter::Texts(names.collect()),
                Parameter::Reals(tenants.iter().map(|limits| Some(limits.share)).collect()),
                count(|limits| limits.max_running),
                count(|limits| limits.rollouts_per_day),
                count(|limits| limits.tokens_per_day),
                count(|limits| limits.micro_usd_per_day),
            ],
        );
        let found = pipeline.commit().await?.pop().unwrap_or_default();
        Ok(found.first().and_then(|row| {
            let number: i64 = row.try_get(1).ok()?;
            Some(ClaimToken {
                run: run_id(row, 0)?,
                number: number.unsigned_abs(),
            })
        }))
    }

    /// Claims a run and keeps the claim for the next [`claim`](Store::claim) of this process: the
    /// job stays with this engine while it waits.
    pub async fn keep_job(&self, run: &RunId) -> Result<(), StoreError> {
        let claim = self.claim(run).await?;
        self.reserved.lock().insert(run.clone(), claim);
        Ok(())
    }

    /// Gives a job back. If its run is over, it leaves the queue.
    pub async fn leave_job(&self, run: &RunId, is_over: bool) -> Result<(), StoreError> {
        if is_over {
            self.execute("DELETE FROM {s}.commands WHERE run_id = $1", &[of(run)])
                .await?;
            self.execute("DELETE FROM {s}.jobs WHERE run_id = $1", &[of(run)])
                .await?;
        }
        let kept = self.reserved.lock().remove(run);
        drop(kept);
        self.keeper()?.wake(JOBS);
        Ok(())
    }

    /// Lets a paused job without an engine go on.
    pub async fn resume_job(&self, run: &RunId) -> Result<(), StoreError> {
        self.execute(
            "UPDATE {s}.jobs SET resume = true WHERE run_id = $1",
            &[of(run)],
        )
        .await?;
        self.keeper()?.wake(JOBS);
        Ok(())
    }

    /// Sends a command to the engine that works on a run, or to the next one that does.
    pub async fn send_command(&self, run: &RunId, command: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO {s}.commands (run_id, command) VALUES ($1, $2)";
        self.execute(sql, &[of(run), text(command)]).await?;
        self.keeper()?.wake(JOBS);
        Ok(())
    }

    /// Takes the commands for these runs, oldest first.
    pub async fn take_commands(&self, runs: &[RunId]) -> Result<Vec<(RunId, String)>, StoreError> {
        let sql = self.database.sql(
            "WITH taken AS (DELETE FROM {s}.commands WHERE run_id = ANY($1::text[]) \
             RETURNING id, run_id, command) SELECT run_id, command FROM taken ORDER BY id",
        );
        let runs = Parameter::Texts(runs.iter().map(|run| Some(run.to_string())).collect());
        let rows = self.database.rows(&sql, &[runs]).await?;
        let command = |row| Some((run_id(row, 0)?, row.try_get(1).ok()?));
        Ok(rows.iter().filter_map(command).collect())
    }

    /// Notes what a job waits for; an empty text for a job that does not wait.
    pub async fn note_job(&self, run: &RunId, note: &str) -> Result<(), StoreError> {
        let sql = "UPDATE {s}.jobs SET note = $2 WHERE run_id = $1 AND note <> $2";
        self.execute(sql, &[of(run), text(note)]).await
    }

    /// How many jobs wait for an engine, and how long the oldest of them has waited.
    pub async fn backlog(&self) -> Result<(u64, Duration), StoreError> {
        let sql = self.database.sql(
            "SELECT count(*), coalesce(max(extract(epoch FROM clock_timestamp() - \
             greatest(c.until, to_timestamp(r.created_at / 1e6))))::double precision, 0) \
             FROM {s}.jobs j JOIN {s}.claims c USING (run_id) JOIN {s}.runs r USING (run_id) \
             WHERE c.until <= clock_timestamp() \
             AND r.status NOT IN ('succeeded', 'failed', 'cancelled') \
             AND (r.status <> 'paused' OR j.resume)",
        );
        let rows = self.database.rows(&sql, &[]).await?;
        let found = rows.first().and_then(|row| {
            let jobs: i64 = row.try_get(0).ok()?;
            let seconds: f64 = row.try_get(1).ok()?;
            // The clock of the engine that took the submission may be ahead.
            let oldest = Duration::try_from_secs_f64(seconds.max(0.0)).ok()?;
            Some((jobs.unsigned_abs(), oldest))
        });
        Ok(found.unwrap_or_default())
    }

    /// What each open job waits for, as its engine noted it.
    pub async fn job_notes(&self) -> Result<Vec<(RunId, String)>, StoreError> {
        let sql = self
            .database
            .sql("SELECT run_id, note FROM {s}.jobs WHERE note <> '' ORDER BY id");
        let rows = self.database.rows(&sql, &[]).await?;
        let note = |row| {
            let note: String = tokio_postgres::Row::try_get(row, 1).ok()?;
            Some((run_id(row, 0)?, unescaped(&note).ok()?.into_owned()))
        };
        Ok(rows.iter().filter_map(note).collect())
    }

    /// Waits until jobs or claims may have changed, and at most for `patience`.
    pub async fn wait_for_jobs(&self, patience: Duration) {
        let Ok(keeper) = self.keeper() else {
            return tokio::time::sleep(patience).await;
        };
        let mut woken = keeper.shared().woken.subscribe();
        let waited = timeout(patience, async {
            loop {
                match woken.recv().await {
                    Ok(topic) if &*topic == JOBS || &*topic == "claims" => return,
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return,
                    Ok(_) => {}
                }
            }
        });
        // The end of the patience is an answer as well.
        let _ = waited.await;
    }

    async fn execute(&self, sql: &str, values: &[Parameter]) -> Result<(), StoreError> {
        self.database
            .rows(&self.database.sql(sql), values)
            .await
            .map(drop)
    }
}

fn text(text: &str) -> Parameter {
    Parameter::Text(escaped(text.into()).into_owned())
}

fn run_id(row: &tokio_postgres::Row, column: usize) -> Option<RunId> {
    let text: String = row.try_get(column).ok()?;
    text.parse().ok()
}
