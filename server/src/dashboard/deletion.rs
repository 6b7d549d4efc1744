//! Deleting runs.

use gepa_engine::{RunId, Store, StoreError};
use gepa_jobs::JobMark;

/// Why a run was not deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeleteError {
    /// The store refuses it: a process works on the run, or other runs branch from it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run is a job that has not ended.
    #[error(
        "run `{0}` is a job that has not ended, and a server takes it up again; cancel it first, then delete it"
    )]
    OpenJob(RunId),
}

/// Deletes a run with its journal, its rows and its labels. Returns the bytes that this freed within
/// the store.
///
/// # Errors
///
/// Why it was not deleted. Nothing is changed then.
pub async fn delete_run(store: &dyn Store, run: &RunId) -> Result<u64, DeleteError> {
    let row = store.run(run).await?;
    if !row.summary.status.is_terminal() && JobMark::of(&row).is_some() {
        return Err(DeleteError::OpenJob(run.clone()));
    }
    let claim = store.claim(run).await?;
    Ok(store.delete_run(claim.token()).await?)
}
