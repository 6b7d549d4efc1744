//! The work of the writer: several tasks in one transaction, each done completely or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use gepa_engine::record::{Cell, Projector, RunRow, RunSummary, Tables};
use gepa_engine::{ClaimToken, Event, LabelChange, RunId, RunLabels, Seq, StoreError, Timestamp};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, TransactionBehavior, params};

use super::deletion;
use super::insert;
use super::labels;
use super::place::Place;
use super::read;
use super::tables::{ChangeError, RunTables};
use super::value::{Parameter, RunNumber};
use crate::numbering::{check_numbering, misfit, take_in};

/// The number of runs whose state is kept between appends. If more runs are kept, all are read
/// again.
const KEPT_PROJECTORS: usize = 256;

/// The number of events projected again at a time.
const PAGE: usize = 4_096;

/// A task of the writer.
pub(super) enum Task {
    Create(Box<RunRow>),
    /// Gives the run's next claim to `owner`.
    Claim {
        run: RunId,
        owner: String,
    },
    Append {
        token: ClaimToken,
        after: Seq,
        events: Arc<[Event]>,
    },
    /// Rebuilds the rows of a run from its journal.
    Reproject(RunId),
    /// Changes what people wrote beside a run.
    Label(RunId, LabelChange),
    /// Deletes the token's run.
    Delete(ClaimToken),
}

/// The result of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The task was done.
    Done,
    /// The run was claimed under this number.
    Claimed(u64),
    /// The labels are these now.
    Labelled(Box<RunLabels>),
    /// The run is gone; this number of bytes is free now.
    Freed(u64),
}

/// The writing connection, and the state of the runs it wrote.
pub(super) struct Transactions {
    connection: Connection,
    place: Place,
    projectors: BTreeMap<RunId, Projector>,
}

impl Transactions {
    pub(super) fn new(connection: Connection, place: Place) -> Self {
        Self {
            connection,
            place,
            projectors: BTreeMap::new(),
        }
    }

    /// Does the tasks in one transaction. A refused task changes nothing and does not stop the
    /// others. If the storage fails, none of the tasks is done.
    pub(super) fn commit(&mut self, tasks: &[Task]) -> Vec<Result<Written, StoreError>> {
        if self.projectors.len() > KEPT_PROJECTORS {
            self.projectors.clear();
        }
        self.attempt(tasks).unwrap_or_else(|failure| {
            self.projectors.clear();
            let results = tasks.iter().map(|_| Err(self.explain(&failure)));
            results.collect()
        })
    }

    fn explain(&self, failure: &Failure) -> StoreError {
        match failure {
            Failure::Sqlite(error) => self.place.explain(error),
            Failure::Explained(message) => StoreError::Storage(message.clone()),
        }
    }

    fn attempt(&mut self, tasks: &[Task]) -> Result<Vec<Result<Written, StoreError>>, Failure> {
        let mut transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut results = Vec::with_capacity(tasks.len());
        for task in tasks {
            let mut savepoint = transaction.savepoint()?;
            let mut append = AppendTransaction {
                connection: &savepoint,
                place: &self.place,
                projectors: &mut self.projectors,
            };
            let result = append.run(task);
            if let Err(StoreError::Storage(message)) = result {
                // SQLite may have ended the transaction by itself, so none of its changes can be
                // kept.
                return Err(Failure::Explained(message));
            }
            if result.is_err() {
                self.projectors.remove(task.run());
                savepoint.rollback()?;
            }
            savepoint.commit()?;
            results.push(result);
        }
        transaction.commit()?;
        Ok(results)
    }
}

/// Why a whole transaction failed.
enum Failure {
    Sqlite(rusqlite::Error),
    Explained(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Task {
    fn run(&self) -> &RunId {
        match self {
            Self::Create(row) => &row.run_id,
            Self::Append { token, .. } | Self::Delete(token) => &token.run,
            Self::Claim { run, .. } | Self::Reproject(run) | Self::Label(run, _) => run,
        }
    }
}

/// One task within a transaction.
struct AppendTransaction<'t> {
    connection: &'t Connection,
    place: &'t Place,
    projectors: &'t mut BTreeMap<RunId, Projector>,
}

impl AppendTransaction<'_> {
    fn run(&mut self, task: &Task) -> Result<Written, StoreError> {
        match task {
            Task::Create(row) => self.create(row)?,
            Task::Claim { run, owner } => return self.claim(run, owner).map(Written::Claimed),
            Task::Append {
                token,
                after,
                events,
            } => self.append(token, *after, events)?,
            Task::Reproject(run) => self.reproject(run)?,
            Task::Label(run, change) => {
                return self.label(run, change).map(Box::new).map(Written::Labelled);
            }
            Task::Delete(token) => return self.delete(token).map(Written::Freed),
        }
        Ok(Written::Done)
    }

    fn create(&self, row: &RunRow) -> Result<(), StoreError> {
        insert::run(self.connection, row).map_err(|error| {
            if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) {
                StoreError::RunExists(row.run_id.clone())
            } else {
                self.place.explain(&error)
            }
        })
    }

    /// The number of the claim.
    fn claim(&self, run: &RunId, owner: &str) -> Result<u64, StoreError> {
        let claimed = self
            .connection
            .prepare_cached(
                "UPDATE runs SET claim_number = claim_number + 1, claim_owner = ?2 \
                 WHERE run_id = ?1 RETURNING claim_number",
            )
            .and_then(|mut statement| {
                let number = |row: &Row<'_>| row.get::<_, i64>(0);
                let found = statement.query_row(params![run.as_str(), owner], number);
                found.optional()
            });
        let number = claimed.map_err(|error| self.place.explain(&error))?;
        let number = number.ok_or_else(|| StoreError::UnknownRun(run.to_string()))?;
        Ok(number.unsigned_abs())
    }

    /// Refuses a token that is not that of the newest claim.
    fn check_claim(&self, token: &ClaimToken) -> Result<(), StoreError> {
        let found = read::claim(self.connection, self.place, &token.run)?;
        match found {
            Some((number, owner)) if number != token.number => Err(StoreError::ClaimLost {
                run: token.run.clone(),
                owner,
            }),
            _ => Ok(()),
        }
    }

    fn append(
        &mut self,
        token: &ClaimToken,
        after: Seq,
        events: &[Event],
    ) -> Result<(), StoreError> {
        self.check_claim(token)?;
        let run = &token.run;
        let (number, found) = read::standing(self.connection, self.place, run)?;
        check_numbering(run, after, found, events)?;
        let mut projector = self.projector(run, found)?;
        let mut tables = RunTables::new(self.connection, self.place, run, number)?;
        for event in events {
            tables.journal(event)?;
            for change in projector.apply(event) {
                tables.change(change).map_err(|error| match error {
                    ChangeError::Misfit(detail) => misfit(run, event, detail),
                    ChangeError::Store(error) => error,
                })?;
            }
        }
        tables.finish()?;
        self.save_summary(run, projector.summary())?;
        if projector.summary().finished_at.is_none() {
            self.projectors.insert(run.clone(), projector);
        }
        Ok(())
    }

    fn label(&self, run: &RunId, change: &LabelChange) -> Result<RunLabels, StoreError> {
        let mut row = read::run(self.connection, self.place, run)?;
        let mut labels = labels::of(self.connection, self.place, run)?;
        change.apply(&mut row, &mut labels, Timestamp::now())?;
        labels::write(self.connection, run, &row.name, &labels)
            .map_err(|error| self.place.explain(&error))?;
        Ok(labels)
    }

    fn delete(&mut self, token: &ClaimToken) -> Result<u64, StoreError> {
        let run = &token.run;
        let (number, _) = read::standing(self.connection, self.place, run)?;
        self.check_claim(token)?;
        deletion::check_unneeded(self.connection, self.place, run)?;
        self.projectors.remove(run);
        deletion::delete(self.connection, run, number).map_err(|error| self.place.explain(&error))
    }

    fn reproject(&mut self, run: &RunId) -> Result<(), StoreError> {
        let row = read::run(self.connection, self.place, run)?;
        let (number, _) = read::standing(self.connection, self.place, run)?;
        let mut tables = Tables::new(row);
        loop {
            let last = tables.summary().seq;
            let page = read::events(self.connection, self.place, run, number, last, PAGE)?;
            if page.is_empty() {
                break;
            }
            take_in(&mut tables, &page)?;
        }
        self.clear(run)?;
        self.write(number, &tables)
            .map_err(|error| self.place.explain(&error))?;
        self.projectors.remove(run);
        self.save_summary(run, tables.summary())
    }

    /// Writes all rows of a run that has none.
    fn write(&self, number: RunNumber, tables: &Tables) -> rusqlite::Result<()> {
        for row in tables.candidates() {
            insert::candidate(self.connection, row)?;
        }
        for row in tables.trials() {
            insert::trial(self.connection, row)?;
        }
        let mut statement = self.connection.prepare_cached(&insert::ROLLOUT)?;
        for row in tables.rollouts() {
            insert::rollout(&mut statement, number, row)?;
        }
        for row in tables.reflections() {
            insert::reflection(self.connection, row)?;
        }
        for row in tables.snapshots() {
            insert::snapshot(self.connection, row)?;
        }
        Ok(())
    }

    /// The run's state as of `found`. The kept state is used, unless another process has written
    /// since.
    fn projector(&mut self, run: &RunId, found: Seq) -> Result<Projector, StoreError> {
        let kept = self.projectors.remove(run);
        if let Some(projector) = kept.filter(|projector| projector.summary().seq == found) {
            return Ok(projector);
        }
        let row = read::run(self.connection, self.place, run)?;
        if row.summary.seq != found {
            return Err(StoreError::Damaged {
                what: format!("run `{run}`"),
                detail: format!(
                    "its summary stands at event {}, its journal at {found}",
                    row.summary.seq
                ),
            });
        }
        Ok(Projector::new(row.run_id, row.summary))
    }

    fn save_summary(&self, run: &RunId, summary: &RunSummary) -> Result<(), StoreError> {
        let text = Parameter(Cell::json(summary));
        let saved = self
            .connection
            .prepare_cached("UPDATE runs SET summary = ?2 WHERE run_id = ?1")
            .and_then(|mut statement| statement.execute(params![run.as_str(), text]));
        saved.map_err(|error| self.place.explain(&error))?;
        Ok(())
    }

    fn clear(&self, run: &RunId) -> Result<(), StoreError> {
        for delete in [
            "DELETE FROM snapshots WHERE run_id = ?1",
            "DELETE FROM reflections WHERE run_id = ?1",
            "DELETE FROM rollouts WHERE run_id = ?1",
            "DELETE FROM trials WHERE run_id = ?1",
            "DELETE FROM candidates WHERE run_id = ?1",
        ] {
            self.connection
                .execute(delete, [run.as_str()])
                .map_err(|error| self.place.explain(&error))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
