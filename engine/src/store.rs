//! The interface of storage: an append-only journal, and tables derived from it.

use std::collections::BTreeMap;
use std::fmt;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::event::Event;
use crate::ids::{RunId, Seq};
use crate::labels::{BadLabel, LabelChange, RunLabels};
use crate::record::{CandidateRow, ReflectionRow, RolloutRow, RunRow, SnapshotRow, TrialRow};
use crate::run_query::RunQuery;

/// The pause between looks at a journal whose store cannot wake its readers.
const POLL: Duration = Duration::from_millis(200);
/// Runs that are read at once where the store itself has no search.
const PAGE: usize = 256;

/// Stores runs.
///
/// **The caller** claims a run before appending to it, appends from one task at a time, and stops
/// when the claim is lost.
///
/// **The implementor** makes `append` atomic (all events and everything derived from them, or
/// nothing) and durable before it returns. It refuses an append unless `after` is the last event
/// stored, and unless the token is that of the run's newest claim; it compares the token in the
/// same transaction in which it writes. It derives rows through
/// [`Projector`](crate::record::Projector) or [`Tables`](crate::record::Tables) only, and lets
/// readers in at any time without making the writer wait. Lists come in the order of creation.
#[async_trait]
pub trait Store: Send + Sync {
    /// Stores a new run; its id must be fresh.
    async fn create_run(&self, run: RunRow) -> Result<(), StoreError>;

    /// Makes the caller the run's only writer until the claim is dropped, the process ends, or the
    /// claim is lost. Each claim on a run has a token with a greater number than those before it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Claimed`] while another process or task holds the run.
    async fn claim(&self, run: &RunId) -> Result<Claim, StoreError>;

    /// Whether some living process holds the run's claim.
    async fn is_claimed(&self, run: &RunId) -> Result<bool, StoreError>;

    /// Appends events numbered `after + 1` onwards to the token's run. Changes of one event are
    /// applied before the next one is projected.
    ///
    /// # Errors
    ///
    /// [`StoreError::ClaimLost`] if the run was claimed again since the token was given; the holder
    /// of the token is notified as well ([`Claim::lost`]). [`StoreError::Conflict`] if `after` is
    /// not the last event. [`StoreError::Misfit`] if an event does not follow from those before it.
    async fn append(
        &self,
        token: &ClaimToken,
        after: Seq,
        events: Arc<[Event]>,
    ) -> Result<(), StoreError>;

    /// All runs, oldest first.
    async fn runs(&self) -> Result<Vec<RunRow>, StoreError>;

    /// Up to `limit` runs that were created before this one, newest first; the newest of all for `None`.
    /// A store with many runs reads no others.
    async fn runs_before(
        &self,
        before: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<RunRow>, StoreError> {
        let mut runs = self.runs().await?;
        if let Some(before) = before {
            let place = runs.iter().position(|run| run.run_id == *before);
            runs.truncate(place.unwrap_or(0));
        }
        runs.reverse();
        runs.truncate(limit);
        Ok(runs)
    }

    /// Up to `limit` runs that meet the conditions, newest first. A store with many runs reads the rows of
    /// no others, except where only the config of a run can tell.
    async fn find_runs(&self, query: &RunQuery, limit: usize) -> Result<Vec<RunRow>, StoreError> {
        let labels = self.labels().await?;
        let none = RunLabels::default();
        let (mut found, mut before) = (Vec::new(), query.before.clone());
        while found.len() < limit {
            let mut page = self.runs_before(before.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.run_id.clone());
            page.retain(|run| query.takes(run, labels.get(&run.run_id).unwrap_or(&none)));
            found.append(&mut page);
        }
        found.truncate(limit);
        Ok(found)
    }

    /// How many runs meet the conditions.
    async fn count_runs(&self, query: &RunQuery) -> Result<usize, StoreError> {
        Ok(self.find_runs(query, usize::MAX).await?.len())
    }

    /// Up to `limit` ids that begin with `text`, or with `text` after `pl_`; where there are none, those
    /// that end with it. In the order of ids. A store with many runs looks in an index.
    async fn run_ids(&self, text: &str, limit: usize) -> Result<Vec<RunId>, StoreError> {
        let runs = self.runs().await?;
        let mut ids: Vec<RunId> = runs.into_iter().map(|run| run.run_id).collect();
        ids.sort();
        let begin = ids.iter().filter(|run| run.begins_with(text));
        let found: Vec<RunId> = begin.take(limit).cloned().collect();
        if found.is_empty() {
            let end = ids.iter().filter(|run| run.as_str().ends_with(text));
            return Ok(end.take(limit).cloned().collect());
        }
        Ok(found)
    }

    /// One run.
    async fn run(&self, run: &RunId) -> Result<RunRow, StoreError>;

    /// The first `limit` events after `after`; fewer only where the journal ends.
    async fn events(&self, run: &RunId, after: Seq, limit: usize)
    -> Result<Vec<Event>, StoreError>;

    /// One event; `None` if the journal has none of this number.
    async fn event(&self, run: &RunId, seq: Seq) -> Result<Option<Event>, StoreError> {
        let before = Seq(seq.0.saturating_sub(1));
        let found = self.events(run, before, 1).await?;
        Ok(found.into_iter().next().filter(|event| event.seq == seq))
    }

    /// Waits until the run's journal may have events after `after`, and at most for `patience`. A
    /// store that cannot be woken waits for 0.2 s.
    async fn wait_for_events(&self, _run: &RunId, _after: Seq, patience: Duration) {
        tokio::time::sleep(patience.min(POLL)).await;
    }

    /// All candidates tried, in the order proposed.
    async fn candidates(&self, run: &RunId) -> Result<Vec<CandidateRow>, StoreError>;

    /// All trials, in the order started, with their sums so far.
    async fn trials(&self, run: &RunId) -> Result<Vec<TrialRow>, StoreError>;

    /// The first `limit` rollouts whose events come after `after`, by event; fewer only at the end.
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

    /// What people wrote beside runs. Runs beside which nothing is written may be left out.
    async fn labels(&self) -> Result<BTreeMap<RunId, RunLabels>, StoreError>;

    /// Changes what is written beside a run, in one transaction, and returns it. It needs no claim:
    /// labels can change while a process works on the run.
    ///
    /// # Errors
    ///
    /// [`StoreError::Label`] for a change that cannot be made.
    async fn set_labels(&self, run: &RunId, change: &LabelChange) -> Result<RunLabels, StoreError>;

    /// Removes the token's run, with its journal, its rows and its labels, in one transaction. Texts
    /// that other runs have as well stay. Returns the number of bytes that this freed within the
    /// storage, for runs to come.
    ///
    /// # Errors
    ///
    /// [`StoreError::ClaimLost`] as for an append. [`StoreError::Needed`] while another run branches
    /// from this one: it knows outcomes from this run's journal. Nothing is removed then.
    async fn delete_run(&self, token: &ClaimToken) -> Result<u64, StoreError>;

    /// About how many bytes [`delete_run`](Self::delete_run) would free. Nothing changes, and no writer waits.
    async fn run_bytes(&self, run: &RunId) -> Result<u64, StoreError>;

    /// Gives free space back to the system, and returns how many bytes the storage became smaller.
    ///
    /// # Errors
    ///
    /// [`StoreError::Claimed`] if it would make a process wait that works on a run.
    async fn compact(&self) -> Result<u64, StoreError>;

    /// The problems that the storage itself finds in its files, one line each.
    async fn integrity(&self) -> Result<Vec<String>, StoreError>;
}

/// Proof of a claim, which an append must present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimToken {
    /// The run.
    pub run: RunId,
    /// The number of the claim on the run, from 1. A later claim has a greater number.
    pub number: u64,
}

/// Keeps its holder the run's only writer. It is released when it is dropped. If the process dies,
/// the system or its expiry releases it.
pub struct Claim {
    token: ClaimToken,
    loss: watch::Receiver<Option<String>>,
    _hold: Box<dyn Send + Sync>,
}

/// The store's side of a claim.
#[derive(Debug)]
pub struct ClaimNotice(watch::Sender<Option<String>>);

impl Claim {
    /// Creates a claim that lasts as long as `hold` lives, and the sender with which the store
    /// reports that the claim is lost.
    pub fn new(token: ClaimToken, hold: impl Send + Sync + 'static) -> (Self, ClaimNotice) {
        let (notice, loss) = watch::channel(None);
        let claim = Self {
            token,
            loss,
            _hold: Box::new(hold),
        };
        (claim, ClaimNotice(notice))
    }

    /// The token that an append under this claim must present.
    pub fn token(&self) -> &ClaimToken {
        &self.token
    }

    /// Waits until the run has another owner, and returns who it is. A store may notice this only
    /// when it refuses an append.
    pub fn lost(&self) -> impl Future<Output = StoreError> + Send + 'static {
        let (mut loss, run) = (self.loss.clone(), self.token.run.clone());
        async move {
            let told = loss.wait_for(Option::is_some).await;
            let owner = told.ok().and_then(|owner| owner.clone());
            match owner {
                Some(owner) => StoreError::ClaimLost { run, owner },
                // The store has forgotten the claim, but no other owner has taken it.
                None => future::pending().await,
            }
        }
    }
}

impl ClaimNotice {
    /// Notifies the claim's holder that `owner` owns the run now.
    pub fn tell(&self, owner: &str) {
        self.0.send_replace(Some(owner.to_owned()));
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Claim")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

/// Why an operation of the store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such run.
    #[error("no run `{0}` in this store; `gepa runs` lists those there are")]
    UnknownRun(String),
    /// A run of this id exists.
    #[error("run `{0}` exists already")]
    RunExists(RunId),
    /// Another process or task writes this run.
    #[error("run `{run}` is being written by {holder}; wait for it to end, or stop it first")]
    Claimed {
        /// The run.
        run: RunId,
        /// Who holds it.
        holder: String,
    },
    /// Another process or task has claimed the run since.
    #[error(
        "run `{run}` is written by {owner} now; this process lost its claim on it and writes no more"
    )]
    ClaimLost {
        /// The run.
        run: RunId,
        /// Who owns it now.
        owner: String,
    },
    /// The journal has newer events, because another writer appended them.
    #[error(
        "journal of run `{run}` stands at {found}, not at {expected}: another process wrote to it"
    )]
    Conflict {
        /// The run.
        run: RunId,
        /// The last event that the caller expected.
        expected: Seq,
        /// The last event that is stored.
        found: Seq,
    },
    /// The events do not follow from the journal to which they should be appended.
    #[error("event {seq} does not fit the journal of run `{run}`: {detail}")]
    Misfit {
        /// The run.
        run: RunId,
        /// The event.
        seq: Seq,
        /// What is wrong with it.
        detail: String,
    },
    /// Other runs branch from this one.
    #[error(
        "run `{run}` cannot be deleted while other runs branch from it, since they read its outcomes; \
         delete these first, or in the same command: {}",
        listed(by)
    )]
    Needed {
        /// The run.
        run: RunId,
        /// The runs that branch from it.
        by: Vec<RunId>,
    },
    /// Labels cannot be changed so.
    #[error(transparent)]
    Label(#[from] BadLabel),
    /// Stored data is inconsistent.
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

fn listed(runs: &[RunId]) -> String {
    let names: Vec<String> = runs.iter().map(|run| format!("`{run}`")).collect();
    names.join(", ")
}
