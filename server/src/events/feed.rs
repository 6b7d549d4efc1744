//! Events of jobs, kept as they were serialised, and caught up with the store when asked for.

use std::sync::Arc;

use gepa_engine::{Event, RunId, Seq, Store, StoreError};
use gepa_evaluation::run_cpu;
use gepa_jobs::events::{ApiEvent, EventFold, MetricPoint};
use parking_lot::Mutex;

/// Journal events read from the store at once.
const PAGE: usize = 1_000;
/// Fewer events than this are folded at once: less than a millisecond of work.
const FEW: usize = 64;
/// Jobs whose events are kept.
const MOST_JOBS: usize = 64;

/// The feeds asked for last.
pub(crate) struct Feeds {
    store: Arc<dyn Store>,
    /// Asked for last comes last.
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
    /// The last journal event taken in.
    last: Seq,
    events: Vec<ApiEvent>,
}

/// A part of the events, and whether there is more behind it.
pub(crate) struct Page {
    pub(crate) events: Vec<ApiEvent>,
    pub(crate) has_more: bool,
    /// The job's last event is in this page or before it.
    pub(crate) is_end: bool,
}

impl Feeds {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            recent: Mutex::new(Vec::new()),
        }
    }

    /// The feed of a job that must exist.
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
        // Someone else may have been as fast.
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
    /// Up to `limit` events after `since`, as the store has them now.
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

    /// The last `limit` points of the curve.
    pub(crate) async fn points(
        self: &Arc<Self>,
        limit: usize,
    ) -> Result<Vec<MetricPoint>, StoreError> {
        self.catch_up().await?;
        let state = self.state.lock();
        let points = state.fold.points();
        Ok(points[points.len().saturating_sub(limit)..].to_vec())
    }

    /// Folds one page while the next is read.
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
                // What follows does not fit what was not taken in; the next question begins there.
                break;
            }
            page = next?;
        }
        Ok(())
    }

    /// Where to read on; nothing follows a job's last event.
    fn position(&self) -> Option<Seq> {
        let state = self.state.lock();
        (!state.fold.is_over()).then_some(state.last)
    }

    /// Others may have read the same page meanwhile; what they took in is passed over.
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
