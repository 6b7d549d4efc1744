//! Ends a run that no process works on.

use std::sync::Arc;

use super::error::RunError;
use crate::event::{Event, Fact, RunAbandoned};
use crate::ids::{RunId, Seq, Timestamp};
use crate::stop::StopReason;
use crate::store::Store;

/// Ends a run for good without resuming it. It needs neither the configuration nor the evaluator of
/// the run, so it works when one of them prevents a resumption. It is refused while a process works
/// on the run. A run that is over stays as it is.
pub async fn abandon(store: &dyn Store, run: &RunId, reason: StopReason) -> Result<(), RunError> {
    let claim = store.claim(run).await?;
    let summary = store.run(run).await?.summary;
    if summary.status.is_terminal() {
        return Ok(());
    }
    tracing::info!(%run, %reason, "run abandoned");
    let event = Event {
        seq: Seq(summary.seq.0 + 1),
        at: Timestamp::now(),
        body: Fact::RunAbandoned(RunAbandoned { reason }).into(),
    };
    store
        .append(claim.token(), summary.seq, Arc::new([event]))
        .await?;
    Ok(())
}
