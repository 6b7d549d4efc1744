//! Runs kept in memory, for tests, dry runs and rebuilding.

mod journal;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use gepa_engine::record::{CandidateRow, ReflectionRow, RolloutRow, RunRow, SnapshotRow, TrialRow};
use gepa_engine::{
    Claim, ClaimToken, Event, LabelChange, RunId, RunLabels, Seq, Store, StoreError, branches_of,
};
use parking_lot::{Mutex, RwLock};

use self::journal::RunJournal;

/// Keeps runs until it is dropped.
#[derive(Default)]
pub struct MemoryStore {
    catalogue: RwLock<Catalogue>,
}

/// All runs, each under its own lock, so that a reader of one run never delays the writer of
/// another.
#[derive(Default)]
struct Catalogue {
    runs: BTreeMap<RunId, Arc<Mutex<RunJournal>>>,
    in_order: Vec<RunId>,
}

impl MemoryStore {
    /// Creates an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the claim on a run without asking its holder, as an expired lease would. The holder is
    /// notified, and its token is no longer valid.
    ///
    /// # Errors
    ///
    /// There is no such run.
    pub fn revoke(&self, run: &RunId) -> Result<(), StoreError> {
        self.journal(run)?.lock().revoke();
        Ok(())
    }

    fn journal(&self, run: &RunId) -> Result<Arc<Mutex<RunJournal>>, StoreError> {
        let catalogue = self.catalogue.read();
        let tables = catalogue.runs.get(run);
        tables
            .cloned()
            .ok_or_else(|| StoreError::UnknownRun(run.to_string()))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MemoryStore")
            .field("runs", &self.catalogue.read().in_order)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create_run(&self, run: RunRow) -> Result<(), StoreError> {
        let mut catalogue = self.catalogue.write();
        if catalogue.runs.contains_key(&run.run_id) {
            return Err(StoreError::RunExists(run.run_id));
        }
        let run_id = run.run_id.clone();
        let tables = Arc::new(Mutex::new(RunJournal::new(run)));
        catalogue.runs.insert(run_id.clone(), tables);
        catalogue.in_order.push(run_id);
        Ok(())
    }

    async fn claim(&self, run: &RunId) -> Result<Claim, StoreError> {
        let journal = self.journal(run)?;
        let mut claimed = journal.lock();
        if claimed.is_claimed() {
            return Err(StoreError::Claimed {
                run: run.clone(),
                holder: "another task of this process".to_owned(),
            });
        }
        let token = claimed.next_token();
        let hold = Held {
            token: token.clone(),
            journal: Arc::clone(&journal),
        };
        let (claim, notice) = Claim::new(token, hold);
        claimed.hold(notice);
        Ok(claim)
    }

    async fn is_claimed(&self, run: &RunId) -> Result<bool, StoreError> {
        Ok(self.journal(run)?.lock().is_claimed())
    }

    async fn append(
        &self,
        token: &ClaimToken,
        after: Seq,
        events: Arc<[Event]>,
    ) -> Result<(), StoreError> {
        self.journal(&token.run)?
            .lock()
            .append(token, after, events)
    }

    async fn runs(&self) -> Result<Vec<RunRow>, StoreError> {
        let catalogue = self.catalogue.read();
        let rows = catalogue
            .in_order
            .iter()
            .map(|run| catalogue.runs[run].lock().tables().run());
        Ok(rows.collect())
    }

    async fn runs_before(
        &self,
        before: Option<&RunId>,
        limit: usize,
    ) -> Result<Vec<RunRow>, StoreError> {
        let catalogue = self.catalogue.read();
        let place = before.map(|before| catalogue.in_order.iter().position(|run| run == before));
        let end = match place {
            None => catalogue.in_order.len(),
            Some(place) => place.unwrap_or(0),
        };
        let wanted = catalogue.in_order[..end].iter().rev().take(limit);
        let rows = wanted.map(|run| catalogue.runs[run].lock().tables().run());
        Ok(rows.collect())
    }

    async fn run_ids(&self, text: &str, limit: usize) -> Result<Vec<RunId>, StoreError> {
        let catalogue = self.catalogue.read();
        let begin = catalogue.runs.keys().filter(|run| run.begins_with(text));
        let found: Vec<RunId> = begin.take(limit).cloned().collect();
        if found.is_empty() {
            let ids = catalogue.runs.keys();
            let end = ids.filter(|run| run.as_str().ends_with(text));
            return Ok(end.take(limit).cloned().collect());
        }
        Ok(found)
    }

    async fn run(&self, run: &RunId) -> Result<RunRow, StoreError> {
        Ok(self.journal(run)?.lock().tables().run())
    }

    async fn events(
        &self,
        run: &RunId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let batches = self.journal(run)?.lock().batches(after, limit);
        let events = batches.iter().flat_map(|batch| batch.iter());
        let wanted = events.filter(|event| event.seq > after).take(limit);
        Ok(wanted.cloned().collect())
    }

    async fn candidates(&self, run: &RunId) -> Result<Vec<CandidateRow>, StoreError> {
        let candidates = self.journal(run)?.lock().tables().candidates().to_vec();
        Ok(candidates.into_iter().map(Arc::unwrap_or_clone).collect())
    }

    async fn trials(&self, run: &RunId) -> Result<Vec<TrialRow>, StoreError> {
        let trials = self.journal(run)?.lock().tables().trials().to_vec();
        Ok(trials.into_iter().map(Arc::unwrap_or_clone).collect())
    }

    async fn rollouts(
        &self,
        run: &RunId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<RolloutRow>, StoreError> {
        let journal = self.journal(run)?;
        let journal = journal.lock();
        let page = journal.tables().rollouts_after(after).iter().take(limit);
        Ok(page.cloned().collect())
    }

    async fn reflections(&self, run: &RunId) -> Result<Vec<ReflectionRow>, StoreError> {
        Ok(self.journal(run)?.lock().tables().reflections().to_vec())
    }

    async fn snapshots(&self, run: &RunId) -> Result<Vec<SnapshotRow>, StoreError> {
        Ok(self.journal(run)?.lock().tables().snapshots().to_vec())
    }

    async fn labels(&self) -> Result<BTreeMap<RunId, RunLabels>, StoreError> {
        let catalogue = self.catalogue.read();
        let labels = catalogue.runs.iter();
        let labels = labels.map(|(run, journal)| (run.clone(), journal.lock().labels().clone()));
        Ok(labels.collect())
    }

    async fn set_labels(&self, run: &RunId, change: &LabelChange) -> Result<RunLabels, StoreError> {
        self.journal(run)?.lock().label(change)
    }

    async fn delete_run(&self, token: &ClaimToken) -> Result<u64, StoreError> {
        let run = &token.run;
        let mut catalogue = self.catalogue.write();
        let journal = catalogue.runs.get(run).cloned();
        let journal = journal.ok_or_else(|| StoreError::UnknownRun(run.to_string()))?;
        journal.lock().check_claim(token)?;
        let rows = catalogue.in_order.iter();
        let rows: Vec<RunRow> = rows
            .map(|run| catalogue.runs[run].lock().tables().run())
            .collect();
        let by = branches_of(run, &rows);
        if !by.is_empty() {
            return Err(StoreError::Needed {
                run: run.clone(),
                by,
            });
        }
        catalogue.runs.remove(run);
        catalogue.in_order.retain(|other| other != run);
        let bytes = journal.lock().bytes();
        Ok(bytes)
    }

    async fn run_bytes(&self, run: &RunId) -> Result<u64, StoreError> {
        let journal = self.catalogue.read().runs.get(run).cloned();
        let journal = journal.ok_or_else(|| StoreError::UnknownRun(run.to_string()))?;
        Ok(journal.lock().bytes())
    }

    async fn compact(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
}

/// A claim in force.
struct Held {
    token: ClaimToken,
    journal: Arc<Mutex<RunJournal>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.journal.lock().release(&self.token);
    }
}
