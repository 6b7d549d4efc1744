//! The store.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gepa_engine::record::{CandidateRow, ReflectionRow, RolloutRow, RunRow, SnapshotRow, TrialRow};
use gepa_engine::{
    Claim, ClaimToken, Event, LabelChange, RunId, RunLabels, RunQuery, Seq, Store, StoreError,
};
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use crate::address::Address;
use crate::append::{Projectors, append};
use crate::claims;
use crate::create::create;
use crate::database::Database;
use crate::deletion;
use crate::keeper::Keeper;
use crate::labels;
use crate::read;
use crate::reproject::reproject;
use crate::runs;
use crate::schema;

/// The pause between looks at a journal of which no wake-up would arrive.
const POLL: Duration = Duration::from_millis(200);
/// The same where wake-ups arrive: one may be lost with its connection.
const SAFETY: Duration = Duration::from_secs(2);

/// Keeps runs in a schema of a PostgreSQL database. Processes on many machines may use it at once.
pub struct PostgresStore {
    pub(crate) database: Database,
    projectors: Projectors,
    /// Started when it is needed first.
    keeper: Mutex<Option<Arc<Keeper>>>,
    can_write: bool,
    /// Claims that were taken with their jobs and wait for their runs.
    pub(crate) reserved: Mutex<BTreeMap<RunId, Claim>>,
}

impl PostgresStore {
    /// Opens the schema that a URL names. Creates it, or brings it to the newest format.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let database = Database::new(Address::parse(url)?)?;
        schema::migrate(&database).await?;
        Ok(Self::of(database, true))
    }

    /// Opens a schema for reading only. It must exist.
    pub async fn open_existing(url: &str) -> Result<Self, StoreError> {
        let mut database = Database::new(Address::parse(url)?)?;
        schema::check_existing(&database).await?;
        database.lacking = schema::lacking(&database).await?;
        Ok(Self::of(database, false))
    }

    fn of(database: Database, can_write: bool) -> Self {
        Self {
            database,
            projectors: Projectors::default(),
            keeper: Mutex::default(),
            can_write,
            reserved: Mutex::default(),
        }
    }

    /// Rebuilds all rows of a run from its journal, in one transaction. Claim the run before.
    pub async fn reproject(&self, run: &RunId) -> Result<(), StoreError> {
        self.writable()?;
        reproject(self, &self.database, run).await
    }

    fn writable(&self) -> Result<(), StoreError> {
        if self.can_write {
            return Ok(());
        }
        let address = &self.database.address;
        Err(StoreError::Storage(format!(
            "{address}: it was opened for reading only"
        )))
    }

    pub(crate) fn keeper(&self) -> Result<Arc<Keeper>, StoreError> {
        let mut keeper = self.keeper.lock();
        if let Some(keeper) = &*keeper {
            return Ok(Arc::clone(keeper));
        }
        // The connections of a pool belong to the runtime that made them.
        let database = Database::new(self.database.address.clone())?;
        let started = Keeper::start(database)?;
        *keeper = Some(Arc::clone(&started));
        Ok(started)
    }

    /// Waits for releases of this process that are on their way.
    async fn settled(&self, run: &RunId) {
        let keeper = self.keeper.lock().clone();
        if let Some(keeper) = keeper {
            keeper.settled(run).await;
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PostgresStore")
            .field("address", &self.database.address)
            .field("can_write", &self.can_write)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn create_run(&self, run: RunRow) -> Result<(), StoreError> {
        self.writable()?;
        create(&self.database, &run).await
    }

    async fn claim(&self, run: &RunId) -> Result<Claim, StoreError> {
        self.writable()?;
        let reserved = self.reserved.lock().remove(run);
        if let Some(claim) = reserved {
            return Ok(claim);
        }
        self.settled(run).await;
        let owner = claims::owner();
        let keeper = self.keeper()?;
        let token = claims::claim(&self.database, run, &owner).await?;
        Ok(keeper.hold(token, &owner))
    }

    async fn is_claimed(&self, run: &RunId) -> Result<bool, StoreError> {
        self.settled(run).await;
        claims::is_claimed(&self.database, run).await
    }

    async fn append(
        &self,
        token: &ClaimToken,
        after: Seq,
        events: Arc<[Event]>,
    ) -> Result<(), StoreError> {
        self.writable()?;
        let appended = append(&self.database, &self.projectors, token, after, &events).await;
        let keeper = self.keeper.lock().clone();
        if let Some(keeper) = keeper {
            match &appended {
                Ok(()) => keeper.wake(token.run.as_str()),
                Err(StoreError::ClaimLost { owner, .. }) => keeper.shared().tell(token, owner),
                Err(_) => {}
            }
        }
        appended
    }

    async fn wait_for_events(&self, run: &RunId, after: Seq, patience: Duration) {
        let Ok(keeper) = self.keeper() else {
            return tokio::time::sleep(POLL.min(patience)).await;
        };
        let begun = Instant::now();
        let end = begun + patience;
        let shared = keeper.shared();
        let mut woken = shared.woken.subscribe();
        // What was appended before the subscription causes no wake-up.
        if has_events(&self.database, run, after).await {
            return;
        }
        loop {
            let heard = *shared.hears.borrow();
            let pause = if heard { SAFETY } else { POLL };
            match timeout_at(end.min(begun + pause), woken.recv()).await {
                Ok(Ok(topic)) if *topic != *run.as_str() => {}
                Ok(Ok(_) | Err(RecvError::Lagged(_) | RecvError::Closed)) | Err(_) => return,
            }
        }
    }

    async fn runs(&self) -> Result<Vec<RunRow>, StoreError> {
        read::runs(&self.database).await
    }

    async fn runs_before(
        &self,
        before: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<RunRow>, StoreError> {
        read::runs_before(&self.database, before, limit).await
    }

    async fn find_runs(&self, query: &RunQuery, limit: usize) -> Result<Vec<RunRow>, StoreError> {
        runs::find(&self.database, query, limit).await
    }

    async fn count_runs(&self, query: &RunQuery) -> Result<usize, StoreError> {
        runs::count(&self.database, query).await
    }

    async fn run_ids(&self, text: &str, limit: usize) -> Result<Vec<RunId>, StoreError> {
        read::run_ids(&self.database, text, limit).await
    }

    async fn run(&self, run: &RunId) -> Result<RunRow, StoreError> {
        read::run(&self.database, run).await
    }

    async fn events(
        &self,
        run: &RunId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        read::events(&self.database, run, after, limit).await
    }

    async fn candidates(&self, run: &RunId) -> Result<Vec<CandidateRow>, StoreError> {
        let tail = " LEFT JOIN {s}.texts USING (candidate_id) WHERE run_id = $1 ORDER BY id";
        read::of_run(&self.database, run, tail).await
    }

    async fn trials(&self, run: &RunId) -> Result<Vec<TrialRow>, StoreError> {
        read::of_run(&self.database, run, " WHERE run_id = $1 ORDER BY id").await
    }

    async fn rollouts(
        &self,
        run: &RunId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<RolloutRow>, StoreError> {
        read::page_of_run(&self.database, run, after, limit).await
    }

    async fn reflections(&self, run: &RunId) -> Result<Vec<ReflectionRow>, StoreError> {
        read::of_run(&self.database, run, " WHERE run_id = $1 ORDER BY seq").await
    }

    async fn snapshots(&self, run: &RunId) -> Result<Vec<SnapshotRow>, StoreError> {
        read::of_run(&self.database, run, " WHERE run_id = $1 ORDER BY id").await
    }

    async fn labels(&self) -> Result<BTreeMap<RunId, RunLabels>, StoreError> {
        labels::all(&self.database).await
    }

    async fn set_labels(&self, run: &RunId, change: &LabelChange) -> Result<RunLabels, StoreError> {
        self.writable()?;
        labels::set(&self.database, run, change).await
    }

    async fn delete_run(&self, token: &ClaimToken) -> Result<u64, StoreError> {
        self.writable()?;
        let deleted = deletion::delete(&self.database, token).await;
        if let Err(StoreError::ClaimLost { owner, .. }) = &deleted
            && let Some(keeper) = self.keeper.lock().clone()
        {
            keeper.shared().tell(token, owner);
        }
        deleted
    }

    async fn run_bytes(&self, run: &RunId) -> Result<u64, StoreError> {
        deletion::bytes(&self.database, run).await
    }

    async fn compact(&self) -> Result<u64, StoreError> {
        self.writable()?;
        deletion::compact(&self.database).await
    }

    async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        read::integrity(&self.database).await
    }
}

async fn has_events(database: &Database, run: &RunId, after: Seq) -> bool {
    let sql = database.sql("SELECT 1 FROM {s}.events WHERE run_id = $1 AND seq > $2 LIMIT 1");
    let found = database
        .rows(&sql, &[read::of(run), read::int(after.0)])
        .await;
    // The reader that follows reports an error of the database.
    found.is_ok_and(|rows| !rows.is_empty())
}
