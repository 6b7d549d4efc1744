//! The rows of one run, read once and used for several resources.

use gepa_engine::record::{CandidateRow, ReflectionRow, RunRow, SnapshotRow, TrialRow};
use gepa_engine::{RunId, Store, StoreError};

use super::content::ViewError;

/// All rows of a run but its rollouts.
#[derive(Debug)]
pub(super) struct RunRows {
    pub(super) run: RunRow,
    pub(super) candidates: Vec<CandidateRow>,
    pub(super) trials: Vec<TrialRow>,
    pub(super) reflections: Vec<ReflectionRow>,
    pub(super) snapshots: Vec<SnapshotRow>,
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
            candidates,
            trials,
            reflections,
            snapshots,
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
