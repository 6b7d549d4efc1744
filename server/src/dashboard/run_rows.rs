//! The rows of one run, read once and used for several resources.

use std::sync::Arc;

use gepa_engine::record::{CandidateRow, ReflectionRow, RunRow, SnapshotRow, TrialRow};
use gepa_engine::{RunId, Store, StoreError};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::content::ViewError;

/// All rows of a run but its rollouts.
#[derive(Debug)]
pub(super) struct RunRows {
    pub(super) run: RunRow,
    pub(super) candidates: Arc<Vec<CandidateRow>>,
    pub(super) trials: Arc<Vec<TrialRow>>,
    pub(super) reflections: Arc<Vec<ReflectionRow>>,
    pub(super) snapshots: Vec<SnapshotRow>,
    /// The part of the run's view that follows from these rows alone, as a JSON object.
    pub(super) tables: OnceCell<String>,
    /// The verdict, which follows from these rows as well.
    pub(super) verdict: OnceCell<Value>,
}

impl RunRows {
    pub(super) async fn read(store: &dyn Store, run: &RunId) -> Result<Self, StoreError> {
        // The run comes first: rows that are newer than its summary do no harm, older ones would be kept.
        let row = store.run(run).await?;
        let (candidates, trials, reflections, snapshots) = futures::try_join!(
            store.candidates(run),
            store.trials(run),
            store.reflections(run),
            store.snapshots(run)
        )?;
        Ok(Self {
            run: row,
            candidates: Arc::new(candidates),
            trials: Arc::new(trials),
            reflections: Arc::new(reflections),
            snapshots,
            tables: OnceCell::new(),
            verdict: OnceCell::new(),
        })
    }

    /// The candidate that an iteration proposed.
    pub(super) fn of_iteration(&self, iteration: u64) -> Result<&CandidateRow, ViewError> {
        let found = self
            .candidates
            .iter()
            .find(|row| row.iteration == iteration);
        found.ok_or_else(|| {
            ViewError::Missing(format!("iteration {iteration} has proposed no candidate"))
        })
    }
}
