//! The events of a running run, each exactly once. They come from the live channel, and from the
//! store where the live channel has a gap.

use std::sync::Arc;

use gepa_engine::{Event, RunId, Seq, Store, StoreError};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// Events read from the store in one go.
const PAGE: usize = 1_000;

pub(crate) struct Feed {
    run: RunId,
    store: Arc<dyn Store>,
    live: Receiver<Arc<[Event]>>,
    /// A live batch that must wait until the events before it have been returned.
    waiting: Option<Arc<[Event]>>,
    last: Seq,
}

impl Feed {
    /// The events after `last`.
    pub(crate) fn new(
        run: RunId,
        store: Arc<dyn Store>,
        live: Receiver<Arc<[Event]>>,
        last: Seq,
    ) -> Self {
        Self {
            run,
            store,
            live,
            waiting: None,
            last,
        }
    }

    /// The next events; `None` when the run's task has ended and all events have been returned.
    /// Dropping the future loses no event.
    pub(crate) async fn next(&mut self) -> Result<Option<Arc<[Event]>>, StoreError> {
        loop {
            if self.waiting.is_none() {
                match self.live.recv().await {
                    Ok(batch) => self.waiting = Some(batch),
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return self.page().await,
                }
            }
            let first = self.waiting.as_ref().and_then(|batch| batch.first());
            let has_gap = first.is_some_and(|event| event.seq.0 > self.last.0 + 1);
            if has_gap && let Some(page) = self.page().await? {
                return Ok(Some(page));
            }
            let batch = self.waiting.take();
            if let Some(given) = batch.and_then(|batch| self.give(batch)) {
                return Ok(Some(given));
            }
        }
    }

    async fn page(&mut self) -> Result<Option<Arc<[Event]>>, StoreError> {
        let events = self.store.events(&self.run, self.last, PAGE).await?;
        Ok(self.give(events.into()))
    }

    /// The events of a batch that have not been returned yet; `None` if there are none.
    fn give(&mut self, batch: Arc<[Event]>) -> Option<Arc<[Event]>> {
        let last = batch.last()?.seq;
        if last <= self.last {
            return None;
        }
        let fresh = batch.iter().position(|event| event.seq > self.last)?;
        self.last = last;
        Some(if fresh == 0 {
            batch
        } else {
            batch[fresh..].into()
        })
    }
}
