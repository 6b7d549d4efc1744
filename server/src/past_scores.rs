//! Caches what the journals of jobs say about earlier scores, so that a job which is polled does not
//! have its whole journal read each time.

use std::sync::Arc;

use gepa_engine::record::{CandidateOrder, CandidateRow, RunRow, ScoreHistory};
use gepa_engine::{RunId, Store, StoreError};
use gepa_jobs::views::{Snapshots, snapshots_since};
use parking_lot::Mutex;

/// Jobs whose histories are cached.
const MOST_JOBS: usize = 64;

type History = Arc<tokio::sync::Mutex<ScoreHistory>>;

/// The histories that were needed last.
#[derive(Default)]
pub(crate) struct PastScores {
    /// In the order of requests; the latest is at the end.
    recent: Mutex<Vec<(RunId, History)>>,
}

impl PastScores {
    /// The snapshots of a job, up to date with the store.
    pub(crate) async fn snapshots(
        &self,
        store: &dyn Store,
        run: RunRow,
    ) -> Result<Snapshots, StoreError> {
        let history = self.of(&run.run_id);
        // Requests at the same time wait for one reading.
        let mut history = history.lock().await;
        snapshots_since(store, run, &mut history).await
    }

    /// The candidates of a job in an order, up to date with the store.
    pub(crate) async fn candidates(
        &self,
        store: &dyn Store,
        run: &RunRow,
        order: CandidateOrder,
    ) -> Result<Vec<CandidateRow>, StoreError> {
        let history = self.of(&run.run_id);
        let mut history = history.lock().await;
        order.read(store, run, &mut history).await
    }

    fn of(&self, job: &RunId) -> History {
        let mut recent = self.recent.lock();
        let position = recent.iter().position(|(known, _)| known == job);
        let entry = match position {
            Some(position) => recent.remove(position),
            None => (job.clone(), History::default()),
        };
        if recent.len() >= MOST_JOBS {
            recent.remove(0);
        }
        let history = Arc::clone(&entry.1);
        recent.push(entry);
        history
    }
}
