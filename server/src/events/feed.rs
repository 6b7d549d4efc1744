//! Caches the serialised events of jobs and brings them up to date with the store on each request.

use std::sync::Arc;
use std::time::Duration;

use gepa_engine::{Event, RunId, Seq, Store, StoreError};
use gepa_evaluation::run_cpu;
use gepa_jobs::events::{ApiEvent, EventFold, MetricPoint};
use parking_lot::Mutex;

/// Journal events read from the store in one go.
const PAGE: usize = 1_000;
/// Pages below this size are folded on the async thread: they take less than a millisecond.
const FEW: usize = 64;
/// Jobs whose events are cached.
const MOST_JOBS: usize = 64;

/// The feeds that were requested last.
pub(crate) struct Feeds {
    store: Arc<dyn Store>,
    /// In the order of requests; the latest is at the end.
    recent: Mutex<Vec<Arc<Feed>>>,
}

/// The events of one job.
pub(crate) struct Feed {
    store: Arc<dyn Store>,
    job: RunId,
    state: Mutex<State>,
}

struct State {
    fold: EventFold,
    /// The last journal event that was folded.
    last: Seq,
    events: Vec<ApiEvent>,
}

/// A part of the events, and whether more follow.
pub(crate) struct Page {
    pub(crate) events: Vec<ApiEvent>,
    pub(crate) has_more: bool,
    /// Whether the job's last event is in this page or before it.
    pub(crate) is_end: bool,
}

impl Feeds {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            recent: Mutex::new(Vec::new()),
        }
    }

    /// The feed of a job. Fails if the store does not know the job.
    pub(crate) async fn of(&self, job: &RunId) -> Result<Arc<Feed>, StoreError> {
        if let Some(feed) = self.find(job) {
            return Ok(feed);
        }
        let run = self.store.run(job).await?;
        let (fold, first) = EventFold::new(&run);
        let feed = Arc::new(Feed {
            store: Arc::clone(&self.store),
            job: job.clone(),
            state: Mutex::new(State {
                fold,
                last: Seq(0),
                events: vec![first],
            }),
        });
        // Another request may have added the feed meanwhile.
        if let Some(feed) = self.find(job) {
            return Ok(feed);
        }
        let mut recent = self.recent.lock();
        if recent.len() >= MOST_JOBS {
            recent.remove(0);
        }
        recent.push(Arc::clone(&feed));
        Ok(feed)
    }

    fn find(&self, job: &RunId) -> Option<Arc<Feed>> {
        let mut recent = self.recent.lock();
        let position = recent.iter().position(|feed| feed.job == *job)?;
        let feed = recent.remove(position);
        recent.push(Arc::clone(&feed));
        Some(feed)
    }
}

impl Feed {
    /// Up to `limit` events after number `since`, up to date with the store.
    pub(crate) async fn page(
        self: &Arc<Self>,
        since: u64,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.catch_up().await?;
        let state = self.state.lock();
        // Events are numbered from 1 without gaps.
        let first = usize::try_from(since).unwrap_or(usize::MAX);
        let rest = state.events.get(first..).unwrap_or_default();
        let events: Vec<ApiEvent> = rest.iter().take(limit).cloned().collect();
        let has_more = events.len() < rest.len();
        Ok(Page {
            events,
            has_more,
            is_end: state.fold.is_over() && !has_more,
        })
    }

    /// Waits until the journal may have new events, and at most for `patience`.
    pub(crate) async fn wait(&self, patience: Duration) {
        let last = self.state.lock().last;
        self.store.wait_for_events(&self.job, last, patience).await;
    }

    /// The last `limit` points of the score curve.
    pub(crate) async fn points(
        self: &Arc<Self>,
        limit: usize,
    ) -> Result<Vec<MetricPoint>, StoreError> {
        self.catch_up().await?;
        let state = self.state.lock();
        let points = state.fold.points();
        Ok(points[points.len().saturating_sub(limit)..].to_vec())
    }

    /// Reads and folds all new journal events. Folds one page while the next is read.
    async fn catch_up(self: &Arc<Self>) -> Result<(), StoreError> {
        let Some(mut last) = self.position() else {
            return Ok(());
        };
        let mut page = self.store.events(&self.job, last, PAGE).await?;
        while let Some(end) = page.last() {
            last = end.seq;
            let is_full = page.len() == PAGE;
            if page.len() < FEW {
                self.take_in(&page);
                break;
            }
            let feed = Arc::clone(self);
            let fold = run_cpu(move || feed.take_in(&page));
            if !is_full {
                fold.await;
                break;
            }
            let (next, folded) = tokio::join!(self.store.events(&self.job, last, PAGE), fold);
            if folded.is_none() {
                // The page was not folded, so later pages do not connect. The next request reads it
                // again.
                break;
            }
            page = next?;
        }
        Ok(())
    }

    /// The last journal event folded; `None` if the job's last event has been folded.
    fn position(&self) -> Option<Seq> {
        let state = self.state.lock();
        (!state.fold.is_over()).then_some(state.last)
    }

    /// Folds a page. Skips events that another request has folded meanwhile.
    fn take_in(&self, page: &[Event]) {
        let mut state = self.state.lock();
        for event in page {
            if event.seq.0 == state.last.0 + 1 {
                let events = state.fold.take_in(event);
                state.events.extend(events);
                state.last = event.seq;
            }
        }
    }
}
