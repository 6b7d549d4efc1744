//! Reads resources from a store.

use std::sync::Arc;
use std::time::Duration;

use gepa_engine::{RunId, Seq, Store, StoreError};
use parking_lot::Mutex;

use super::blame::{self, Blame};
use super::content::{Content, ViewError};
use super::resource::{Part, Resource};
use super::rollout_index::RolloutIndex;
use super::run_rows::RunRows;
use super::verdict::{self, BestOfRuns};
use super::{candidate, failures, matrix, overview, rollout, slots};

/// Rollouts are read ahead when a page with the run's view has been painted, since reading takes the
/// processor from the browser.
const AFTER_PAINT: Duration = Duration::from_millis(500);
/// Runs whose rows are kept in memory.
const MOST_RUNS: usize = 4;

/// `None` until they were read. Requests that arrive meanwhile wait and do not read them again.
type SharedRows = Arc<tokio::sync::Mutex<Option<Arc<RunRows>>>>;
type SharedIndex = Arc<tokio::sync::Mutex<RolloutIndex>>;

/// The data of pages, read from one store. The rows of the runs that were requested last
/// are kept in memory and brought up to date on each request.
pub struct Views {
    store: Arc<dyn Store>,
    /// In the order of requests; the latest is at the end. So are the rows.
    indexes: Mutex<Vec<(RunId, SharedIndex)>>,
    rows: Mutex<Vec<(RunId, SharedRows)>>,
}

impl std::fmt::Debug for Views {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Views").finish_non_exhaustive()
    }
}

impl Views {
    /// Views of a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            indexes: Mutex::new(Vec::new()),
            rows: Mutex::new(Vec::new()),
        }
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// One resource, up to date with the store.
    ///
    /// # Errors
    ///
    /// The store failed, or there is no such run, candidate or event.
    pub async fn read(&self, resource: &Resource) -> Result<Content, ViewError> {
        match resource {
            Resource::BestOfRuns(before, after) => {
                Content::json(&BestOfRuns::read(&*self.store, before, after).await?)
            }
            Resource::OfRun(run, Part::Event(seq)) => self.event(run, *seq).await,
            Resource::OfRun(run, part) => {
                let rows = self.rows(run).await?;
                self.part(&rows, *part).await
            }
        }
    }

    /// The origin of each line of a candidate's texts.
    ///
    /// # Errors
    ///
    /// The store failed, or the iteration has no candidate.
    pub async fn blame(&self, run: &RunId, iteration: u64) -> Result<Blame, ViewError> {
        let rows = self.rows(run).await?;
        let index = self.index(run).await?;
        let index = index.lock().await;
        blame::blame(&*self.store, &rows, iteration, &index).await
    }

    /// A part of a run whose rows were read already.
    pub(super) async fn part(&self, rows: &RunRows, part: Part) -> Result<Content, ViewError> {
        let (store, run) = (&*self.store, &rows.run.run_id);
        // These need no index of rollouts.
        match part {
            Part::View => {
                let content = overview::overview(store, rows).await;
                self.read_ahead(run);
                return content;
            }
            Part::Event(seq) => return self.event(run, seq).await,
            Part::Verdict => return Content::json(&verdict::verdict(store, rows).await?),
            Part::Comparison(before, after) => {
                return Content::json(&verdict::of_candidates(rows, before, after)?);
            }
            _ => {}
        }
        let index = self.index(run).await?;
        let mut index = index.lock().await;
        match part {
            Part::Slots => {
                index.catch_up_notes(store, &rows.run).await?;
                Content::json(&slots::slots(rows, &index))
            }
            Part::Matrix(set) => Ok(matrix::matrix(rows, set, &index)),
            Part::Candidate(iteration) => {
                Content::json(&candidate::candidate(rows, iteration, &index)?)
            }
            Part::Blame(iteration) => {
                Content::json(&blame::blame(store, rows, iteration, &index).await?)
            }
            _ => Content::json(&failures::failures(&index)),
        }
    }

    async fn event(&self, run: &RunId, seq: Seq) -> Result<Content, ViewError> {
        Content::json(&rollout::event(&*self.store, run, seq).await?)
    }

    /// The rows of a run. Those of the last requests are kept, and read again only when the run has
    /// new events or another name.
    async fn rows(&self, run: &RunId) -> Result<Arc<RunRows>, StoreError> {
        let shared = latest(&mut self.rows.lock(), run, SharedRows::default);
        let mut rows = shared.lock().await;
        let stored = self.store.run(run).await?;
        // A run can be renamed without an event.
        let is_fresh = |known: &&Arc<RunRows>| {
            known.run.summary.seq == stored.summary.seq && known.run.name == stored.name
        };
        if let Some(known) = rows.as_ref().filter(is_fresh) {
            return Ok(Arc::clone(known));
        }
        // The memory of the old rows is free for the new ones, unless another request still reads them.
        *rows = None;
        let read = Arc::new(RunRows::read(&*self.store, run).await?);
        *rows = Some(Arc::clone(&read));
        Ok(read)
    }

    /// Reads the rollouts of a run whose first page was requested, because most other pages of it need
    /// them. An error is left to the request that needs them.
    fn read_ahead(&self, run: &RunId) {
        let (index, store) = (self.known(run), Arc::clone(&self.store));
        tokio::spawn(async move {
            tokio::time::sleep(AFTER_PAINT).await;
            if let Ok(mut index) = index.try_lock() {
                let _ = index.catch_up(&*store).await;
            }
        });
    }

    async fn index(&self, run: &RunId) -> Result<SharedIndex, StoreError> {
        let index = self.known(run);
        index.lock().await.catch_up(&*self.store).await?;
        Ok(index)
    }

    fn known(&self, run: &RunId) -> SharedIndex {
        let new = || Arc::new(tokio::sync::Mutex::new(RolloutIndex::new(run.clone())));
        latest(&mut self.indexes.lock(), run, new)
    }
}

/// What is kept for a run, which becomes the last one of the list. The first one of a full list is dropped.
fn latest<T: Clone>(kept: &mut Vec<(RunId, T)>, run: &RunId, new: impl FnOnce() -> T) -> T {
    let position = kept.iter().position(|(known, _)| known == run);
    let found = position.map_or_else(new, |position| kept.remove(position).1);
    if kept.len() >= MOST_RUNS {
        kept.remove(0);
    }
    kept.push((run.clone(), found.clone()));
    found
}
