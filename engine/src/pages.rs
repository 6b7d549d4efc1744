//! Reads what a store or a run has much of, page by page.

use std::fmt;
use std::marker::PhantomData;

use crate::event::Event;
use crate::ids::{RunId, Seq};
use crate::record::{RolloutRow, RunRow};
use crate::store::{Store, StoreError};

/// Events read at once. One may hold a long text.
const EVENTS: usize = 1_000;
/// Rollouts read at once.
const ROLLOUTS: usize = 10_000;

/// Runs read at once.
const RUNS: usize = 64;

/// Up to `limit` of the newest runs that are wanted, newest first. Older ones are not read.
///
/// # Errors
///
/// The store failed.
pub async fn newest_runs(
    store: &dyn Store,
    limit: usize,
    is_wanted: impl Fn(&RunRow) -> bool,
) -> Result<Vec<RunRow>, StoreError> {
    let (mut found, mut before) = (Vec::new(), None);
    while found.len() < limit {
        let page = store.runs_before(before.as_ref(), RUNS).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.run_id.clone());
        let missing = limit - found.len();
        found.extend(page.into_iter().filter(&is_wanted).take(missing));
    }
    Ok(found)
}

/// The journal of a run, page by page.
pub type EventPages<'a> = Pages<'a, Event>;

/// The rollouts of a run, page by page.
pub type RolloutPages<'a> = Pages<'a, RolloutRow>;

/// See [`EventPages`] and [`RolloutPages`].
pub struct Pages<'a, T> {
    store: &'a dyn Store,
    run: &'a RunId,
    last: Seq,
    is_over: bool,
    of: PhantomData<fn() -> T>,
}

impl<'a, T> Pages<'a, T> {
    /// All of a run.
    pub fn of(store: &'a dyn Store, run: &'a RunId) -> Self {
        Self::after(store, run, Seq(0))
    }

    /// What comes after an event.
    pub fn after(store: &'a dyn Store, run: &'a RunId, last: Seq) -> Self {
        Self {
            store,
            run,
            last,
            is_over: false,
            of: PhantomData,
        }
    }

    /// The event up to which pages were read.
    pub fn last(&self) -> Seq {
        self.last
    }

    fn taken(&mut self, page: Vec<T>, most: usize, seq: impl Fn(&T) -> Seq) -> Option<Vec<T>> {
        self.is_over = page.len() < most;
        self.last = seq(page.last()?);
        Some(page)
    }
}

impl EventPages<'_> {
    /// The next page; `None` at the end. Events that are appended after the last page was read may be
    /// left out.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>, StoreError> {
        if self.is_over {
            return Ok(None);
        }
        let page = self.store.events(self.run, self.last, EVENTS).await?;
        Ok(self.taken(page, EVENTS, |event| event.seq))
    }
}

impl RolloutPages<'_> {
    /// The next page; `None` at the end. Rollouts that are stored after the last page was read may be
    /// left out.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn next(&mut self) -> Result<Option<Vec<RolloutRow>>, StoreError> {
        if self.is_over {
            return Ok(None);
        }
        let page = self.store.rollouts(self.run, self.last, ROLLOUTS).await?;
        Ok(self.taken(page, ROLLOUTS, |row| row.seq))
    }
}

impl<T> fmt::Debug for Pages<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pages")
            .field("run", self.run)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
