//! A run whose events a subscriber reads from the first to the last.

use gepa_engine::{Event, RunBuilder, RunError, RunResult};
use tokio::sync::broadcast::error::RecvError;

/// Runs to the end and gives each batch of stored events to `see`, in order.
///
/// # Panics
///
/// `see` is so slow that the run gets further ahead than a subscriber may fall behind.
pub async fn watched(
    run: RunBuilder,
    mut see: impl FnMut(&[Event]),
) -> Result<RunResult, RunError> {
    let mut events = run.subscribe();
    let run = run.start().await?;
    let watching = async {
        loop {
            match events.recv().await {
                Ok(batch) => see(&batch),
                Err(RecvError::Closed) => break,
                Err(RecvError::Lagged(batches)) => panic!("{batches} batches were missed"),
            }
        }
    };
    let (result, ()) = tokio::join!(run.finish(), watching);
    result
}
