//! Keeps what an ablation found with the run whose prompt it is about.

use std::sync::Arc;

use crate::event::{AblationNoted, Event, Fact};
use crate::ids::{RunId, Seq, Timestamp};
use crate::store::{Store, StoreError};

/// Writes the findings into the journal of a run that no process works on, and returns their entry. The
/// run stays as it is.
///
/// # Errors
///
/// [`StoreError::Claimed`] while a process works on the run.
pub async fn note_ablation(
    store: &dyn Store,
    run: &RunId,
    mut noted: AblationNoted,
) -> Result<Seq, StoreError> {
    let claim = store.claim(run).await?;
    let summary = store.run(run).await?.summary;
    noted.by.at_rest = true;
    let seq = Seq(summary.seq.0 + 1);
    let event = Event {
        seq,
        at: Timestamp::now().max(summary.updated_at.unwrap_or_default()),
        body: Fact::AblationNoted(Box::new(noted)).into(),
    };
    store
        .append(claim.token(), summary.seq, Arc::new([event]))
        .await?;
    Ok(seq)
}
