//! The writing side of a run's journal: events are numbered here and written in batches.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::event::{Event, EventBody, Fact};
use crate::ids::{Seq, Timestamp};
use crate::store::{ClaimToken, Store, StoreError};

/// The largest number of events in one batch. It bounds the memory and the time of one write.
const MAX_BATCH: usize = 4_096;

type Written = (Arc<[Event]>, Result<(), StoreError>);

/// Events that are not stored yet.
pub(super) struct Journal {
    store: Arc<dyn Store>,
    token: ClaimToken,
    last: Seq,
    /// Times never decrease along the journal.
    last_at: Timestamp,
    pending: Vec<Event>,
    /// Whether events are kept until they are stored.
    is_kept: bool,
    writing: Option<BoxFuture<'static, Written>>,
}

impl Journal {
    /// Opens a journal whose last event is `last`, to be written under a claim.
    pub(super) fn new(store: Arc<dyn Store>, token: ClaimToken, last: Seq) -> Self {
        Self {
            store,
            token,
            last,
            last_at: Timestamp::default(),
            pending: Vec::new(),
            is_kept: true,
            writing: None,
        }
    }

    /// Drops every event from now on.
    pub(super) fn forget(&mut self) {
        self.is_kept = false;
    }

    /// Numbers an event with the present time and queues it.
    pub(super) fn push(&mut self, body: impl Into<EventBody>) {
        if !self.is_kept {
            return;
        }
        let body = body.into();
        // The clock was read when the rollout returned. Reading it again would cost as much as the
        // rest of this function.
        let at = match &body {
            EventBody::Fact(Fact::RolloutSettled(settled)) => settled.finished_at,
            _ => Timestamp::now(),
        };
        self.push_at(body, at);
    }

    /// Numbers an event with a time that has just passed and queues it.
    pub(super) fn push_at(&mut self, body: impl Into<EventBody>, at: Timestamp) {
        self.last = Seq(self.last.0 + 1);
        self.last_at = self.last_at.max(at);
        self.pending.push(Event {
            seq: self.last,
            at: self.last_at,
            body: body.into(),
        });
    }

    /// The last event that was queued or stored.
    pub(super) fn last(&self) -> Seq {
        self.last
    }

    /// The events that no write has taken yet.
    pub(super) fn unwritten(&mut self) -> &mut [Event] {
        &mut self.pending
    }

    /// Whether every queued event is stored.
    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.writing.is_none()
    }

    /// Whether a write is running.
    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Whether the queued events still fit into one write.
    pub(super) fn has_room(&self) -> bool {
        self.pending.len() < MAX_BATCH
    }

    /// Begins a write, if events are queued and no write is running.
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

    /// Waits for the running write; pending forever if there is none.
    pub(super) async fn written(&mut self) -> Result<Arc<[Event]>, StoreError> {
        let Some(writing) = &mut self.writing else {
            return std::future::pending().await;
        };
        let (batch, written) = writing.await;
        self.writing = None;
        written.map(|()| batch)
    }
}
