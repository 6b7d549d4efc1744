//! The calls in flight, and the tasks that make them.

use std::collections::{HashMap, VecDeque};
use std::future::Future;

use gepa_evaluation::UsageBound;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};

use super::call::{Call, Done, Placed, Report};
use crate::ids::Timestamp;

/// A call in flight. It is kept here rather than in its task, so that a task cut off loses nothing.
pub(super) struct Flight {
    pub(super) call: Call,
    pub(super) granted: UsageBound,
}

/// A call that is over, and what it came to; `None` if it was cut off.
pub(super) struct Landed {
    pub(super) flight: Flight,
    pub(super) done: Option<Done>,
    /// When that became known.
    pub(super) at: Timestamp,
}

/// Everything in flight.
pub(super) struct Flights {
    tasks: JoinSet<Vec<Placed>>,
    /// The calls of each task, by place; `None` once over.
    by_task: HashMap<Id, Vec<Option<Flight>>>,
    reporting: mpsc::UnboundedSender<Report>,
    reports: mpsc::UnboundedReceiver<Report>,
    /// Over, but not asked for yet.
    landed: VecDeque<Landed>,
}

impl Flights {
    pub(super) fn new() -> Self {
        let (reporting, reports) = mpsc::unbounded_channel();
        Self {
            tasks: JoinSet::new(),
            by_task: HashMap::new(),
            reporting,
            reports,
            landed: VecDeque::new(),
        }
    }

    /// Where a task reports calls that are over before it is.
    pub(super) fn reporting(&self) -> mpsc::UnboundedSender<Report> {
        self.reporting.clone()
    }

    /// Has a task make these calls; it ends with what it has not reported.
    pub(super) fn start(
        &mut self,
        flights: Vec<Option<Flight>>,
        work: impl Future<Output = Vec<Placed>> + Send + 'static,
    ) {
        let id = self.tasks.spawn(work).id();
        self.by_task.insert(id, flights);
    }

    /// Whether nothing is in flight, and nothing over that was not asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.landed.is_empty()
    }

    /// Cuts everything in flight off.
    pub(super) fn abort_all(&mut self) {
        self.tasks.abort_all();
    }

    /// Waits for a call; pending forever when none is in flight.
    pub(super) async fn next(&mut self) -> Landed {
        loop {
            if let Some(landed) = self.try_next() {
                return landed;
            }
            tokio::select! {
                Some(joined) = self.tasks.join_next_with_id() => self.end_task(joined),
                Some(report) = self.reports.recv() => self.take_in(report),
            }
        }
    }

    /// A call that is over already.
    pub(super) fn try_next(&mut self) -> Option<Landed> {
        while self.landed.is_empty() {
            if let Ok(report) = self.reports.try_recv() {
                self.take_in(report);
            } else {
                let joined = self.tasks.try_join_next_with_id()?;
                self.end_task(joined);
            }
        }
        self.landed.pop_front()
    }

    fn take_in(&mut self, Report { task, done }: Report) {
        if let Some(flights) = self.by_task.get_mut(&task) {
            land(flights, done, &mut self.landed);
        }
    }

    /// Tasks cut off end in an error; so do those in which something around the evaluator or the
    /// model panicked.
    fn end_task(&mut self, joined: Result<(Id, Vec<Placed>), JoinError>) {
        // What this task reported was sent before it ended.
        while let Ok(report) = self.reports.try_recv() {
            self.take_in(report);
        }
        let (id, done, panicked) = match joined {
            Ok((id, done)) => (id, done, false),
            Err(error) => (error.id(), Vec::new(), error.is_panic()),
        };
        let mut flights = self.by_task.remove(&id).unwrap_or_default();
        land(&mut flights, done, &mut self.landed);
        let at = Timestamp::now();
        for flight in flights.into_iter().flatten() {
            let done = panicked.then(|| flight.call.panicked());
            self.landed.push_back(Landed { flight, done, at });
        }
    }
}

fn land(flights: &mut [Option<Flight>], done: Vec<Placed>, landed: &mut VecDeque<Landed>) {
    let at = Timestamp::now();
    for (place, done) in done {
        if let Some(flight) = flights.get_mut(place).and_then(Option::take) {
            let done = Some(done);
            landed.push_back(Landed { flight, done, at });
        }
    }
}
