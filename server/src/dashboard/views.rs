//! Reads resources from a store.

use std::sync::Arc;

use gepa_engine::{RunId, Seq, Store, StoreError};
use parking_lot::Mutex;

use super::blame::{self, Blame};
use super::content::{Content, ViewError};
use super::resource::{Part, Resource};
use super::rollout_index::RolloutIndex;
use super::run_rows::RunRows;
use super::runs::RunEntry;
use super::verdict::{self, BestOfRuns};
use super::{candidate, failures, matrix, overview, rollout, slots};

/// Runs whose rows are kept in memory.
const MOST_RUNS: usize = 4;

type SharedIndex = Arc<tokio::sync::Mutex<RolloutIndex>>;

/// The data of pages, read from one store. The rows of the runs that were requested last
/// are kept in memory and brought up to date on each request.
pub struct Views {
    store: Arc<dyn Store>,
    /// In the order of requests; the latest is at the end. So are the rows.
    indexes: Mutex<Vec<(RunId, SharedIndex)>>,
    rows: Mutex<Vec<Arc<RunRows>>>,
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
            Resource::Runs => {
                let runs = RunEntry::list(&*self.store).await?;
                Content::json(&serde_json::json!({ "runs": runs }))
            }
            Resource::BestOfRuns(before, after) => {
                Content::json(&BestOfRuns::read(&*self.store, before, after).await?)
            }
            Resource::OfRun(run, Part::Verdict) => {
                Content::json(&verdict::verdict(&*self.store, run).await?)
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
                self.read_ahead(run);
                return Content::json(&overview::overview(store, rows).await?);
            }
            Part::Event(seq) => return self.event(run, seq).await,
            Part::Verdict => return Content::json(&verdict::verdict(store, run).await?),
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
        let stored = self.store.run(run).await?;
        let known = {
            let rows = self.rows.lock();
            let mut of_run = rows.iter().filter(|rows| rows.run.run_id == *run);
            of_run.next().map(Arc::clone)
        };
        // A run can be renamed without an event.
        let is_fresh = |known: &Arc<RunRows>| {
            known.run.summary.seq == stored.summary.seq && known.run.name == stored.name
        };
        if let Some(known) = known.filter(is_fresh) {
            return Ok(known);
        }
        let read = Arc::new(RunRows::read(&*self.store, run).await?);
        let mut rows = self.rows.lock();
        rows.retain(|rows| rows.run.run_id != *run);
        if rows.len() >= MOST_RUNS {
            rows.remove(0);
        }
        rows.push(Arc::clone(&read));
        Ok(read)
    }

    /// Reads the rollouts of a run whose first page was requested, because most other pages of it need
    /// them. An error is left to the request that needs them.
    fn read_ahead(&self, run: &RunId) {
        let (index, store) = (self.known(run), Arc::clone(&self.store));
        tokio::spawn(async move {
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
        let mut indexes = self.indexes.lock();
        let position = indexes.iter().position(|(known, _)| known == run);
        let index = position.map_or_else(
            || Arc::new(tokio::sync::Mutex::new(RolloutIndex::new(run.clone()))),
            |position| indexes.remove(position).1,
        );
        if indexes.len() >= MOST_RUNS {
            indexes.remove(0);
        }
        indexes.push((run.clone(), Arc::clone(&index)));
        index
    }
}
