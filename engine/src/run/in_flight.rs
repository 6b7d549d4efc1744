//! The calls in flight, and the tasks that make them.

use std::collections::{HashMap, VecDeque};
use std::future::Future;

use gepa_evaluation::UsageBound;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};

use super::call::{Answer, Answered, Call, Report};
use crate::ids::Timestamp;

/// A call in flight. It is kept here and not in its task, so that nothing is lost if the task is
/// cut off.
pub(super) struct InFlightCall {
    pub(super) call: Call,
    pub(super) granted: UsageBound,
}

/// A call that is over.
pub(super) struct FinishedCall {
    pub(super) call: Call,
    pub(super) granted: UsageBound,
    /// The answer; `None` if the call was cut off.
    pub(super) answer: Option<Answer>,
    /// When the answer arrived.
    pub(super) at: Timestamp,
    /// The number of slots that are free now. A task frees the slots of all its calls with its last
    /// call.
    pub(super) freed: usize,
}

/// All calls in flight.
pub(super) struct InFlight {
    tasks: JoinSet<Answered>,
    by_task: HashMap<Id, TaskCalls>,
    reporting: mpsc::UnboundedSender<Report>,
    reports: mpsc::UnboundedReceiver<Report>,
    /// Calls that are over and have not been returned yet.
    finished: VecDeque<FinishedCall>,
}

/// The calls that one task makes, by place; `None` once a call is over.
#[derive(Default)]
struct TaskCalls {
    calls: Vec<Option<InFlightCall>>,
    open: usize,
}

impl InFlight {
    pub(super) fn new() -> Self {
        let (reporting, reports) = mpsc::unbounded_channel();
        Self {
            tasks: JoinSet::new(),
            by_task: HashMap::new(),
            reporting,
            reports,
            finished: VecDeque::new(),
        }
    }

    /// The channel on which a task reports calls that are over before the task is.
    pub(super) fn reporting(&self) -> mpsc::UnboundedSender<Report> {
        self.reporting.clone()
    }

    /// Starts a task that makes these calls. The task returns the answers that it has not reported.
    pub(super) fn start(
        &mut self,
        calls: Vec<Option<InFlightCall>>,
        work: impl Future<Output = Answered> + Send + 'static,
    ) {
        let id = self.tasks.spawn(work).id();
        self.by_task.insert(id, TaskCalls::new(calls));
    }

    /// Adds a rollout that was over without a task.
    pub(super) fn finish_one(&mut self, call: InFlightCall, answer: Answer, at: Timestamp) {
        let InFlightCall { call, granted } = call;
        self.finished.push_back(FinishedCall {
            call,
            granted,
            answer: Some(answer),
            at,
            freed: 1,
        });
    }

    /// Adds calls that were over without a task.
    pub(super) fn finish(&mut self, calls: Vec<Option<InFlightCall>>, answered: Answered) {
        TaskCalls::new(calls).finish(answered, &mut self.finished);
    }

    /// Whether nothing is in flight and every call that is over has been returned.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.finished.is_empty()
    }

    /// Ends everything in flight without waiting.
    pub(super) fn abort_all(&mut self) {
        self.tasks.abort_all();
    }

    /// Waits for a call; pending forever when none is in flight.
    pub(super) async fn next(&mut self) -> FinishedCall {
        loop {
            if let Some(finished) = self.try_next() {
                return finished;
            }
            tokio::select! {
                Some(joined) = self.tasks.join_next_with_id() => self.end_task(joined),
                Some(report) = self.reports.recv() => self.take_in(report),
            }
        }
    }

    /// Returns a call that is over already, if there is one.
    pub(super) fn try_next(&mut self) -> Option<FinishedCall> {
        while self.finished.is_empty() {
            if let Ok(report) = self.reports.try_recv() {
                self.take_in(report);
            } else {
                let joined = self.tasks.try_join_next_with_id()?;
                self.end_task(joined);
            }
        }
        self.finished.pop_front()
    }

    fn take_in(&mut self, Report { task, answered }: Report) {
        if let Some(calls) = self.by_task.get_mut(&task) {
            calls.finish(answered, &mut self.finished);
        }
    }

    /// Tasks that were cut off end in an error, and so do tasks in which code around the evaluator
    /// or the proposer panicked.
    fn end_task(&mut self, joined: Result<(Id, Answered), JoinError>) {
        // The task sent its reports before it ended.
        while let Ok(report) = self.reports.try_recv() {
            self.take_in(report);
        }
        let (id, answered, panicked) = match joined {
            Ok((id, answered)) => (id, answered, false),
            Err(error) => (error.id(), Vec::new(), error.is_panic()),
        };
        let mut calls = self.by_task.remove(&id).unwrap_or_default();
        calls.finish(answered, &mut self.finished);
        let at = Timestamp::now();
        for place in 0..calls.calls.len() {
            let answer = |call: &Call| panicked.then(|| call.panicked());
            calls.close(place, answer, at, &mut self.finished);
        }
    }
}

impl TaskCalls {
    fn new(calls: Vec<Option<InFlightCall>>) -> Self {
        let open = calls.len();
        Self { calls, open }
    }

    fn finish(&mut self, answered: Answered, finished: &mut VecDeque<FinishedCall>) {
        let at = Timestamp::now();
        for (place, answer) in answered {
            self.close(place, |_| Some(answer), at, finished);
        }
    }

    fn close(
        &mut self,
        place: usize,
        answer: impl FnOnce(&Call) -> Option<Answer>,
        at: Timestamp,
        finished: &mut VecDeque<FinishedCall>,
    ) {
        let Some(InFlightCall { call, granted }) = self.calls.get_mut(place).and_then(Option::take)
        else {
            return;
        };
        self.open -= 1;
        finished.push_back(FinishedCall {
            answer: answer(&call),
            call,
            granted,
            at,
            freed: if self.open == 0 { self.calls.len() } else { 0 },
        });
    }
}
