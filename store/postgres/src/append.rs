//! Appends: one transaction each, which the token of the claim guards.
//!
//! A batch after the first one of its run is sent in one go, with the commit. When the connection is
//! lost it is unknown whether the server committed: the next try then locks the claim, which waits
//! for the old transaction, reads the journal's end, and either finds the batch or writes it.

use std::collections::BTreeMap;
use std::time::Duration;

use gepa_engine::record::{Cell, Misfit, Projector, RunRow, Tables};
use gepa_engine::{ClaimToken, Event, RunId, Seq, StoreError};
use gepa_store::{check_numbering, misfit};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::changes::Changes;
use crate::claims::{LEASE, lost};
use crate::database::{Database, damaged};
use crate::failure::Failure;
use crate::pipeline::Pipeline;
use crate::read::{event, events_sql, int, of, page, run_row};
use crate::value::Parameter;

/// How long an append tries to reach a server that does not answer.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(250);

/// The number of runs whose state is kept between appends.
const KEPT_PROJECTORS: usize = 256;

/// The number of events read at a time.
const PAGE: usize = 4_096;

/// The state of the runs that this process writes.
#[derive(Debug, Default)]
pub(crate) struct Projectors(Mutex<BTreeMap<RunId, (u64, Projector)>>);

impl Projectors {
    /// The state of a run as of `after`, if this claim wrote it.
    fn take(&self, token: &ClaimToken, after: Seq) -> Option<Projector> {
        let (number, projector) = self.0.lock().remove(&token.run)?;
        (number == token.number && projector.summary().seq == after).then_some(projector)
    }

    fn keep(&self, token: &ClaimToken, projector: Projector) {
        let mut kept = self.0.lock();
        if kept.len() >= KEPT_PROJECTORS {
            kept.clear();
        }
        kept.insert(token.run.clone(), (token.number, projector));
    }
}

pub(crate) async fn append(
    database: &Database,
    projectors: &Projectors,
    token: &ClaimToken,
    after: Seq,
    events: &[Event],
) -> Result<(), StoreError> {
    let begun = Instant::now();
    let mut in_doubt = false;
    loop {
        let mut attempt = Attempt {
            database,
            projectors,
            token,
            after,
            events,
            in_doubt,
        };
        match attempt.make().await {
            Ok(()) => return Ok(()),
            Err(Failure::Refused(detail)) => return Err(attempt.why_refused(detail).await),
            Err(Failure::Gone(detail)) if begun.elapsed() < PATIENCE => {
                tracing::warn!(run = %token.run, %detail, "an append lost its connection, trying again");
                in_doubt = true;
                sleep(PAUSE).await;
            }
            Err(failure) => return Err(failure.into_error(&database.address)),
        }
    }
}

struct Attempt<'a> {
    database: &'a Database,
    projectors: &'a Projectors,
    token: &'a ClaimToken,
    after: Seq,
    events: &'a [Event],
    /// An earlier attempt may have been committed.
    in_doubt: bool,
}

impl Attempt<'_> {
    async fn make(&mut self) -> Result<(), Failure> {
        let mut pipeline = Pipeline::begin(self.database).await?;
        let kept = self.projectors.take(self.token, self.after);
        let projector = match kept.filter(|_| !self.in_doubt && !self.events.is_empty()) {
            // No other process has written the run while the token held, so the journal ends where
            // this projector stands. The statement fails if the token holds no more.
            Some(projector) => {
                let sql = format!(
                    "WITH changed AS ({}) SELECT 1 / count(*) FROM changed",
                    self.extend_sql()
                );
                pipeline.push(sql, self.claim());
                projector
            }
            None => match self.look(&mut pipeline).await? {
                Some(projector) => projector,
                None => return Ok(()),
            },
        };
        self.write(pipeline, projector).await
    }

    /// Locks the claim and reads where the run stands; `None` if there is nothing to write.
    async fn look(&self, pipeline: &mut Pipeline<'_>) -> Result<Option<Projector>, Failure> {
        let run = &self.token.run;
        pipeline.push(self.extend_sql(), self.claim());
        pipeline.push(
            self.database
                .sql("SELECT max(seq) FROM {s}.events WHERE run_id = $1"),
            vec![of(run)],
        );
        let columns = self.database.columns::<RunRow>();
        let sql = format!("SELECT format, {columns} FROM {{s}}.runs WHERE run_id = $1");
        pipeline.push(self.database.sql(&sql), vec![of(run)]);
        let found = pipeline.flush().await?;
        let [claim, last, row] = found.as_slice() else {
            return Err(Failure::Gone("fewer answers than statements".to_owned()));
        };
        let Some(row) = row.first() else {
            return Err(StoreError::UnknownRun(run.to_string()).into());
        };
        if claim.is_empty() {
            return Err(Failure::Refused("the claim is lost".to_owned()));
        }
        let row = run_row(&format!("run `{run}`"), row)?;
        let last: Option<i64> = last.first().and_then(|row| row.try_get(0).ok().flatten());
        let last = Seq(last.unwrap_or_default().unsigned_abs());
        if self.in_doubt && self.is_written(pipeline, last).await? {
            return Ok(None);
        }
        check_numbering(run, self.after, last, self.events)?;
        if self.events.is_empty() {
            return Ok(None);
        }
        if row.summary.seq != last {
            let detail = format!(
                "its summary stands at event {}, its journal at {last}",
                row.summary.seq
            );
            return Err(damaged(format!("run `{run}`"), detail).into());
        }
        Ok(Some(Projector::new(row.run_id, row.summary)))
    }

    /// Whether the journal ends with this batch.
    async fn is_written(&self, pipeline: &mut Pipeline<'_>, last: Seq) -> Result<bool, Failure> {
        let count = self.events.len();
        if count == 0 || last.0 != self.after.0 + count as u64 {
            return Ok(false);
        }
        let run = &self.token.run;
        pipeline.push(
            events_sql(self.database),
            page(run, self.after, count).into(),
        );
        let found = pipeline.flush().await?.pop().unwrap_or_default();
        let stored = found
            .iter()
            .map(|row| event(run, row))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(stored == self.events)
    }

    async fn write(&self, pipeline: Pipeline<'_>, mut projector: Projector) -> Result<(), Failure> {
        let run = &self.token.run;
        check_numbering(run, self.after, projector.summary().seq, self.events)?;
        let mut changes = Changes::new(self.database, run, pipeline);
        for event in self.events {
            let written = changes.inserts.event(run, event);
            written.map_err(|error| Failure::Refused(error.0))?;
            for change in projector.apply(event) {
                changes.change(change).await?;
            }
        }
        changes.finish();
        let summary = projector.summary();
        let mut pipeline = changes.pipeline;
        pipeline.push(
            self.database
                .sql("UPDATE {s}.runs SET summary = $2, status = $3 WHERE run_id = $1"),
            vec![
                of(run),
                Cell::json(summary).into(),
                Parameter::Text(summary.status.as_str().to_owned()),
            ],
        );
        pipeline.commit().await?;
        if projector.summary().finished_at.is_none() {
            self.projectors.keep(self.token, projector);
        }
        Ok(())
    }

    /// Locks the claim's row, if the token is that of the newest claim, and extends the claim.
    fn extend_sql(&self) -> String {
        self.database.sql(&format!(
            "UPDATE {{s}}.claims SET until = greatest(until, clock_timestamp() + {LEASE}) \
             WHERE run_id = $1 AND token = $2 RETURNING 1"
        ))
    }

    fn claim(&self) -> Vec<Parameter> {
        vec![of(&self.token.run), int(self.token.number)]
    }

    /// The error for a batch that the database refused.
    async fn why_refused(&self, detail: String) -> StoreError {
        match self.find_reason(detail).await {
            Ok(reason) | Err(reason) => reason,
        }
    }

    async fn find_reason(&self, detail: String) -> Result<StoreError, StoreError> {
        let run = &self.token.run;
        if let Some(error) = lost(self.database, self.token).await? {
            return Ok(error);
        }
        let mut tables = Tables::new(crate::read::run(self.database, run).await?);
        loop {
            let last = tables.summary().seq;
            let found = crate::read::events(self.database, run, last, PAGE).await?;
            if found.is_empty() {
                break;
            }
            for event in &found {
                if let Err(misfits) = tables.take_in(event) {
                    return Ok(misfit(run, event, misfits));
                }
            }
        }
        check_numbering(run, self.after, tables.summary().seq, self.events)?;
        for event in self.events {
            if let Err(misfits) = tables.take_in(event) {
                return Ok(misfit(run, event, misfits));
            }
        }
        // The journal is sound and the batch fits it, so the stored rows are not what it says.
        let first = self.events.first();
        Ok(match first {
            Some(event) => misfit(
                run,
                event,
                Misfit(format!("{detail}; `gepa doctor` checks the tables")),
            ),
            None => damaged(format!("run `{run}`"), detail),
        })
    }
}
