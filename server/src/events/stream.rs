//! Events as a stream. The reader pulls it, so a slow reader holds one page in memory and no more.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::stream;
use gepa_engine::{RunId, Timestamp};
use gepa_jobs::events::{ApiEvent, Draft};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::feed::Feed;

/// Most events held in memory for one reader.
const PAGE: usize = 100;
/// A comment is sent after this long without an event.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Limits the number of open streams.
#[derive(Debug)]
pub(crate) struct Streams {
    free: Arc<Semaphore>,
    most: usize,
}

/// The limit of open streams is reached.
#[derive(Debug, thiserror::Error)]
#[error("{0} event streams are open already; close one, or poll the events instead")]
pub(crate) struct TooManyStreams(usize);

impl Streams {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(most)),
            most,
        }
    }

    /// A stream of the events after number `since`. It ends after the job's last event, or when the
    /// server ends.
    pub(crate) fn open(
        &self,
        job: &RunId,
        feed: Arc<Feed>,
        since: u64,
        closing: watch::Receiver<bool>,
    ) -> Result<Body, TooManyStreams> {
        let permit = Arc::clone(&self.free).try_acquire_owned();
        let permit = permit.map_err(|_| TooManyStreams(self.most))?;
        let hello = Draft::new(
            "prompt.learning.stream.connected",
            "Connected",
            json!({"since_seq": since}),
        );
        let hello = hello.numbered(job, since, Timestamp::now());
        let reader = Reader {
            feed,
            since,
            pending: VecDeque::from([block(&hello)]),
            is_end: false,
            closing,
            _permit: permit,
        };
        Ok(Body::from_stream(stream::unfold(
            reader,
            |mut reader| async {
                let next = reader.next().await?;
                Some((Ok::<Bytes, Infallible>(next), reader))
            },
        )))
    }
}

struct Reader {
    feed: Arc<Feed>,
    since: u64,
    pending: VecDeque<Bytes>,
    is_end: bool,
    closing: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        let quiet_since = Instant::now();
        loop {
            if let Some(block) = self.pending.pop_front() {
                return Some(block);
            }
            if self.is_end || *self.closing.borrow() {
                return None;
            }
            // A store error ends the stream. The reader connects again and sends the last id it
            // saw.
            let page = self.feed.page(self.since, PAGE).await.ok()?;
            self.is_end = page.is_end;
            if let Some(last) = page.events.last() {
                self.since = last.seq;
                self.pending.extend(page.events.iter().map(block));
                continue;
            }
            if self.is_end {
                return None;
            }
            if quiet_since.elapsed() >= KEEP_ALIVE {
                return Some(Bytes::from_static(b": still here\n\n"));
            }
            tokio::select! {
                () = self.feed.wait(KEEP_ALIVE) => {}
                _ = self.closing.changed() => {}
            }
        }
    }
}

/// One event as a block of the stream. Serialised JSON has no line breaks, so it fits one data
/// line.
fn block(event: &ApiEvent) -> Bytes {
    let ApiEvent { seq, kind, text } = event;
    format!("id: {seq}\nevent: {kind}\ndata: {text}\n\n").into()
}
