//! The trials of a run that are listed.

use super::rows::TrialRow;
use crate::ids::RunId;
use crate::store::{Store, StoreError};

/// The trials of a run, in the order started. A trial that never ran is left out: a limit may end a
/// run between the start of a trial and its first rollout.
///
/// # Errors
///
/// The store failed.
pub async fn trials_that_ran(store: &dyn Store, run: &RunId) -> Result<Vec<TrialRow>, StoreError> {
    let mut trials = store.trials(run).await?;
    trials.retain(|row| row.finished_at.is_some() || row.executed > 0);
    Ok(trials)
}
