//! The seam to storage: an append-only journal with tables derived from it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::event::Event;
use crate::ids::{RunId, Seq};
use crate::record::{CandidateRow, ReflectionRow, RolloutRow, RunRow, SnapshotRow, TrialRow};

/// Stores runs.
///
/// **The caller** claims a run before appending to it, and appends from one task at a time.
///
/// **The implementor** makes `append` atomic (all events and everything derived from them, or
/// nothing) and durable before it returns; refuses it unless `after` is the last event stored;
/// derives rows through [`Projector`](crate::record::Projector) only; and lets readers in at any
/// time without making the writer wait. Lists come in the order of creation.
#[async_trait]
pub trait Store: Send + Sync {
    /// Stores a new run; its id must be fresh.
    async fn create_run(&self, run: RunRow) -> Result<(), StoreError>;

    /// Makes the caller the run's only writer, until the claim is dropped or the process ends.
    async fn claim(&self, run: &RunId) -> Result<Claim, StoreError>;

    /// Whether some living process holds the run's claim.
    async fn is_claimed(&self, run: &RunId) -> Result<bool, StoreError>;

    /// Appends events numbered `after + 1` onwards. Changes of one event are applied before the
    /// next one is projected.
    async fn append(&self, run: &RunId, after: Seq, events: Arc<[Event]>)
    -> Result<(), StoreError>;

    /// All runs, oldest first.
    async fn runs(&self) -> Result<Vec<RunRow>, StoreError>;

    /// One run.
    async fn run(&self, run: &RunId) -> Result<RunRow, StoreError>;

    /// Up to `limit` events after `after`.
    async fn events(&self, run: &RunId, after: Seq, limit: usize)
    -> Result<Vec<Event>, StoreError>;

    /// All candidates tried, in the order proposed.
    async fn candidates(&self, run: &RunId) -> Result<Vec<CandidateRow>, StoreError>;

    /// All trials, in the order started, with their sums so far.
    async fn trials(&self, run: &RunId) -> Result<Vec<TrialRow>, StoreError>;

    /// Up to `limit` rollouts whose events come after `after`, by event.
    async fn rollouts(
        &self,
        run: &RunId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<RolloutRow>, StoreError>;

    /// All settled reflection calls, by event.
    async fn reflections(&self, run: &RunId) -> Result<Vec<ReflectionRow>, StoreError>;

    /// All snapshots.
    async fn snapshots(&self, run: &RunId) -> Result<Vec<SnapshotRow>, StoreError>;

    /// What the storage itself finds wrong with its files, a line each.
    async fn integrity(&self) -> Result<Vec<String>, StoreError>;
}

/// Keeps a run's only writer that; released when dropped, and by the system if the process dies.
pub struct Claim {
    _hold: Box<dyn Send + Sync>,
}

impl Claim {
    /// A claim that lasts as long as `hold` lives.
    pub fn new(hold: impl Send + Sync + 'static) -> Self {
        Self {
            _hold: Box::new(hold),
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Claim")
    }
}

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such run.
    #[error("no run `{0}` in this store; `gepa runs` lists those there are")]
    UnknownRun(String),
    /// A run of this id exists.
    #[error("run `{0}` exists already")]
    RunExists(RunId),
    /// Someone else writes this run.
    #[error("run `{run}` is being written by {holder}; wait for it to end, or stop it first")]
    Claimed {
        /// The run.
        run: RunId,
        /// Who holds it.
        holder: String,
    },
    /// The journal has moved on: another writer was here.
    #[error(
        "journal of run `{run}` stands at {found}, not at {expected}: another process wrote to it"
    )]
    Conflict {
        /// The run.
        run: RunId,
        /// Where the caller thought it stands.
        expected: Seq,
        /// Where it stands.
        found: Seq,
    },
    /// The events do not follow from the journal they were to be appended to.
    #[error("event {seq} does not fit the journal of run `{run}`: {detail}")]
    Misfit {
        /// The run.
        run: RunId,
        /// The event.
        seq: Seq,
        /// What is wrong with it.
        detail: String,
    },
    /// Stored data does not make sense.
    #[error(
        "stored data of {what} is damaged: {detail}; `gepa doctor` shows what can be rebuilt, the \
         rest has to come from a backup"
    )]
    Damaged {
        /// What was read.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The data was written by a newer version.
    #[error("the store has format {found}, this program reads up to {known}; use a newer program")]
    NewerFormat {
        /// The format found.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
    /// The storage failed: disk full, no permission, not a database.
    #[error("storage failed: {0}")]
    Storage(String),
}
