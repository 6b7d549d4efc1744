//! The events of a run under way, each exactly once: live where possible, from the store where the
//! live channel left a gap.

use std::sync::Arc;

use gepa_engine::{Event, RunId, Seq, Store, StoreError};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// Events read from the store at once.
const PAGE: usize = 1_000;

pub(crate) struct Feed {
    run: RunId,
    store: Arc<dyn Store>,
    live: Receiver<Arc<[Event]>>,
    /// Came live, but what precedes it has not been given yet.
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

    /// The next events; `None` once the run's task has ended and all were given. Dropping the
    /// future loses nothing.
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

    /// The part of a batch not given before; `None` if there is none.
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
