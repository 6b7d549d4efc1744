//! Ending a run that no process works on.

use std::sync::Arc;

use super::error::RunError;
use crate::event::{Event, Fact, RunAbandoned};
use crate::ids::{RunId, Seq, Timestamp};
use crate::stop::StopReason;
use crate::store::Store;

/// Ends a run for good without taking it up again: needs neither its configuration nor its
/// evaluator, so it works where those are the reason. Refused while a process works on the run; a
/// run that is over stays as it is.
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
