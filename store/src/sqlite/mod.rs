//! Runs kept in a SQLite database: one thread writes, a few connections read.

mod claim;
mod connection;
mod deletion;
mod holders;
mod insert;
mod labels;
mod place;
mod read;
mod readers;
mod runs;
mod schema;
mod tables;
mod transaction;
mod value;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use gepa_engine::record::{
    CandidateRow, ReflectionRow, RolloutRow, RunRow, SnapshotRow, Stored, TrialRow,
};
use gepa_engine::{
    Claim, ClaimToken, Event, LabelChange, RunId, RunLabels, RunQuery, Seq, Store, StoreError,
};
use rusqlite::Connection;
use tokio::task;

use self::holders::Holders;
use self::place::Place;
use self::readers::Readers;
use self::transaction::{Task, Written};
use self::value::RunNumber;
use self::writer::Writer;

/// Keeps runs in one file. Its write-ahead log and the claims on its runs are beside it.
///
/// Appends are durable when they return. Appends to several runs that wait at the same time share
/// one transaction, and so the time of one write to disk.
pub struct SqliteStore {
    place: Place,
    /// Dropped before the writer, whose connection must be the last one.
    readers: Readers,
    /// `None` if the store was opened for reading only.
    writer: Option<Writer>,
    holders: Holders,
}

impl SqliteStore {
    /// Opens a database. Creates it and its folder if there is none.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let place = Place::new(path.into());
        let writer = Writer::start(place.clone())?;
        Ok(Self {
            readers: Readers::new(place.clone()),
            place,
            writer: Some(writer),
            holders: Holders::default(),
        })
    }

    /// Opens a database for reading only. The database must exist.
    pub fn open_existing(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let place = Place::new(path.into());
        connection::check_existing(&place)?;
        Ok(Self {
            readers: Readers::new(place.clone()),
            place,
            writer: None,
            holders: Holders::default(),
        })
    }

    /// Rebuilds all rows of a run from its journal, in one transaction. Claim the run before.
    pub async fn reproject(&self, run: &RunId) -> Result<(), StoreError> {
        self.write(Task::Reproject(run.clone())).await
    }

    async fn write(&self, task: Task) -> Result<(), StoreError> {
        self.writer()?.write(task).await.map(drop)
    }

    fn writer(&self) -> Result<&Writer, StoreError> {
        self.writer.as_ref().ok_or_else(|| {
            StoreError::Storage(format!("{}: it was opened for reading only", self.place))
        })
    }

    /// Reads data of a run that must exist.
    async fn of_run<T: Send + 'static>(
        &self,
        run: &RunId,
        read: impl FnOnce(&Connection, &Place, &RunId) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let numbered = move |connection: &Connection, place: &Place, run: &RunId, _: RunNumber| {
            read(connection, place, run)
        };
        self.of_numbered_run(run, numbered).await
    }

    /// All rows of a table that belong to a run.
    async fn rows<R: Stored + Send + 'static>(
        &self,
        run: &RunId,
        sql: &'static str,
    ) -> Result<Vec<R>, StoreError> {
        let read = |connection: &Connection, place: &Place, run: &RunId| {
            read::of_run(connection, place, run, sql)
        };
        self.of_run(run, read).await
    }

    async fn of_numbered_run<T: Send + 'static>(
        &self,
        run: &RunId,
        read: impl FnOnce(&Connection, &Place, &RunId, RunNumber) -> Result<T, StoreError>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        let wanted = run.clone();
        let reading = self.readers.read(move |connection, place| {
            let (number, _) = read::standing(connection, place, &wanted)?;
            read(connection, place, &wanted, number)
        });
        reading.await
    }

    /// Calls `act` with the lock file of a run that must exist.
    async fn with_lock<T: Send + 'static>(
        &self,
        run: &RunId,
        act: impl FnOnce(&Place, &RunId) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.of_run(run, |_, _, _| Ok(())).await?;
        let (place, wanted) = (self.place.clone(), run.clone());
        let acting = task::spawn_blocking(move || act(&place, &wanted));
        acting
            .await
            .map_err(|error| StoreError::Storage(format!("{}: {error}", self.place)))?
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SqliteStore")
            .field("path", &self.place.path())
            .field("read_only", &self.writer.is_none())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn create_run(&self, run: RunRow) -> Result<(), StoreError> {
        self.write(Task::Create(Box::new(run))).await
    }

    async fn claim(&self, run: &RunId) -> Result<Claim, StoreError> {
        let writer = self.writer()?;
        let owner = claim::owner();
        let locked_for = owner.clone();
        let lock = self.with_lock(run, move |place, run| claim::lock(place, run, &locked_for));
        let lock = lock.await?;
        let run = run.clone();
        let task = Task::Claim {
            run: run.clone(),
            owner: owner.clone(),
        };
        let Written::Claimed(number) = writer.write(task).await? else {
            return Err(StoreError::Storage(format!("{}: no claim", self.place)));
        };
        Ok(self.holders.hold(ClaimToken { run, number }, lock, &owner))
    }

    async fn is_claimed(&self, run: &RunId) -> Result<bool, StoreError> {
        self.with_lock(run, claim::is_claimed).await
    }

    async fn append(
        &self,
        token: &ClaimToken,
        after: Seq,
        events: Arc<[Event]>,
    ) -> Result<(), StoreError> {
        let task = Task::Append {
            token: token.clone(),
            after,
            events,
        };
        let appended = self.write(task).await;
        if let Err(StoreError::ClaimLost { owner, .. }) = &appended {
            self.holders.tell(token, owner);
        }
        appended
    }

    async fn runs(&self) -> Result<Vec<RunRow>, StoreError> {
        self.readers.read(read::runs).await
    }

    async fn runs_before(
        &self,
        before: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<RunRow>, StoreError> {
        let before = before.cloned();
        let reading = self.readers.read(move |connection, place| {
            read::runs_before(connection, place, before.as_ref(), limit)
        });
        reading.await
    }

    async fn find_runs(&self, query: &RunQuery, limit: usize) -> Result<Vec<RunRow>, StoreError> {
        let query = query.clone();
        let reading = self
            .readers
            .read(move |connection, place| runs::find(connection, place, &query, limit));
        reading.await
    }

    async fn count_runs(&self, query: &RunQuery) -> Result<usize, StoreError> {
        let query = query.clone();
        let reading = self
            .readers
            .read(move |connection, place| runs::count(connection, place, &query));
        reading.await
    }

    async fn run_ids(&self, text: &str, limit: usize) -> Result<Vec<RunId>, StoreError> {
        let text = text.to_owned();
        let reading = self
            .readers
            .read(move |connection, place| read::run_ids(connection, place, &text, limit));
        reading.await
    }

    async fn run(&self, run: &RunId) -> Result<RunRow, StoreError> {
        self.of_run(run, read::run).await
    }

    async fn events(
        &self,
        run: &RunId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let page = move |connection: &Connection, place: &Place, run: &RunId, number| {
            read::events(connection, place, run, number, after, limit)
        };
        self.of_numbered_run(run, page).await
    }

    async fn candidates(&self, run: &RunId) -> Result<Vec<CandidateRow>, StoreError> {
        self.rows(run, &read::CANDIDATES).await
    }

    async fn trials(&self, run: &RunId) -> Result<Vec<TrialRow>, StoreError> {
        self.rows(run, &read::TRIALS).await
    }

    async fn rollouts(
        &self,
        run: &RunId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<RolloutRow>, StoreError> {
        let page = move |connection: &Connection, place: &Place, run: &RunId, number| {
            read::rollouts(connection, place, run, number, after, limit)
        };
        self.of_numbered_run(run, page).await
    }

    async fn reflections(&self, run: &RunId) -> Result<Vec<ReflectionRow>, StoreError> {
        self.rows(run, &read::REFLECTIONS).await
    }

    async fn snapshots(&self, run: &RunId) -> Result<Vec<SnapshotRow>, StoreError> {
        self.rows(run, &read::SNAPSHOTS).await
    }

    async fn labels(&self) -> Result<BTreeMap<RunId, RunLabels>, StoreError> {
        self.readers.read(labels::all).await
    }

    async fn set_labels(&self, run: &RunId, change: &LabelChange) -> Result<RunLabels, StoreError> {
        let task = Task::Label(run.clone(), change.clone());
        match self.writer()?.write(task).await? {
            Written::Labelled(labels) => Ok(*labels),
            _ => Err(StoreError::Storage(format!("{}: no labels", self.place))),
        }
    }

    async fn delete_run(&self, token: &ClaimToken) -> Result<u64, StoreError> {
        match self.writer()?.write(Task::Delete(token.clone())).await {
            Ok(Written::Freed(bytes)) => Ok(bytes),
            Ok(_) => Err(StoreError::Storage(format!("{}: no size", self.place))),
            Err(error) => {
                if let StoreError::ClaimLost { owner, .. } = &error {
                    self.holders.tell(token, owner);
                }
                Err(error)
            }
        }
    }

    async fn run_bytes(&self, run: &RunId) -> Result<u64, StoreError> {
        self.of_numbered_run(run, deletion::bytes).await
    }

    async fn compact(&self) -> Result<u64, StoreError> {
        self.writer()?;
        let place = self.place.clone();
        let compacting = task::spawn_blocking(move || deletion::compact(&place));
        compacting
            .await
            .map_err(|error| StoreError::Storage(format!("{}: {error}", self.place)))?
    }

    async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        self.readers.read(read::integrity).await
    }
}
