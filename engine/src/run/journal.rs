//! The run's end of the journal: events are numbered here, and written in batches.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::event::{Event, EventBody, Fact};
use crate::ids::{Seq, Timestamp};
use crate::store::{ClaimToken, Store, StoreError};

/// Most events in one batch: bounds the memory and time of one write.
const MAX_BATCH: usize = 4_096;

type Written = (Arc<[Event]>, Result<(), StoreError>);

/// Events on their way to the store.
pub(super) struct Journal {
    store: Arc<dyn Store>,
    token: ClaimToken,
    last: Seq,
    /// Times never go backwards along the journal.
    last_at: Timestamp,
    pending: Vec<Event>,
    writing: Option<BoxFuture<'static, Written>>,
}

impl Journal {
    /// A journal whose last event is `last`, written under a claim.
    pub(super) fn new(store: Arc<dyn Store>, token: ClaimToken, last: Seq) -> Self {
        Self {
            store,
            token,
            last,
            last_at: Timestamp::default(),
            pending: Vec::new(),
            writing: None,
        }
    }

    /// Numbers an event of this moment and queues it.
    pub(super) fn push(&mut self, body: impl Into<EventBody>) {
        let body = body.into();
        // The clock was read when the rollout came back, and reading it costs as much as all this.
        let at = match &body {
            EventBody::Fact(Fact::RolloutSettled(settled)) => settled.finished_at,
            _ => Timestamp::now(),
        };
        self.push_at(body, at);
    }

    /// Numbers an event of a moment just past and queues it.
    pub(super) fn push_at(&mut self, body: impl Into<EventBody>, at: Timestamp) {
        self.last = Seq(self.last.0 + 1);
        self.last_at = self.last_at.max(at);
        self.pending.push(Event {
            seq: self.last,
            at: self.last_at,
            body: body.into(),
        });
    }

    /// Whether everything pushed is stored.
    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.writing.is_none()
    }

    /// Whether a write is under way.
    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Whether what waits still fits into one write.
    pub(super) fn has_room(&self) -> bool {
        self.pending.len() < MAX_BATCH
    }

    /// Begins a write, if there is something to write and none is under way.
    pub(super) fn write(&mut self) {
        if self.writing.is_some() || self.pending.is_empty() {
            return;
        }
        let count = self.pending.len().min(MAX_BATCH);
        let batch: Arc<[Event]> = self.pending.drain(..count).collect();
        let (store, token) = (Arc::clone(&self.store), self.token.clone());
        self.writing = Some(Box::pin(async move {
            let after = Seq(batch[0].seq.0 - 1);
            let written = store.append(&token, after, Arc::clone(&batch)).await;
            (batch, written)
        }));
    }

    /// Waits for the write under way; pending forever without one.
    pub(super) async fn written(&mut self) -> Result<Arc<[Event]>, StoreError> {
        let Some(writing) = &mut self.writing else {
            return std::future::pending().await;
        };
        let (batch, written) = writing.await;
        self.writing = None;
        written.map(|()| batch)
    }
}
