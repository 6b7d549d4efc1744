//! One limiter per address and key, shared by every model of the process that uses them.
//!
//! Every run has a queue of its own, first come, first served. Runs take turns: the first calls of
//! all queues wait in one further queue, so one call of each run goes out in turn, however many
//! calls another run has waiting. Only the first call of that queue waits for the limits. A permit
//! is held for one attempt, never while backing off. Dropping a future at any point returns what it
//! held.

mod breaker;
mod concurrency;
mod latency;
mod pace;
mod quota;
mod refusal_filter;
mod state;
mod window;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep_until};

use state::{Admission, LimiterState, Ticket};

/// The limits of one endpoint.
#[derive(Clone, Copy, Debug)]
pub struct LimiterSettings {
    /// Most calls in flight at once.
    pub max_concurrent: usize,
    /// Most requests in any minute; no limit if absent.
    pub requests_per_minute: Option<u64>,
    /// Most tokens in any minute; no limit if absent.
    pub tokens_per_minute: Option<u64>,
    /// Calls fail when the breaker has been open for longer, or when the provider requests a longer
    /// pause.
    pub longest_outage: Duration,
    /// Time from the opening of the breaker to the first probe.
    pub first_probe_after: Duration,
    /// Longest time between two probes.
    pub probe_at_least_every: Duration,
}

/// Calls whose durations can be compared with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallKind(usize);

/// How an attempt ended, in the cases that limits distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The caller dropped the permit.
    Cancelled,
    /// A completion that used this many tokens.
    Completed {
        /// Prompt and completion tokens.
        tokens: u64,
    },
    /// The provider answered, but not with a completion.
    Answered,
    /// Too many requests.
    Throttled {
        /// The pause that the provider requested.
        retry_after: Option<Duration>,
    },
    /// No connection, or a server error.
    Unavailable {
        /// Whether the provider said that it is overloaded, so that fewer calls would help.
        overloaded: bool,
        /// The pause that the provider requested.
        retry_after: Option<Duration>,
    },
    /// The reply did not arrive, or only in part. The provider may have done the work.
    Interrupted {
        /// Whether the time limit ended the attempt.
        is_slow: bool,
    },
}

/// Why a call failed without going out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// The provider has been unreachable for this long.
    Unreachable {
        /// Time since the breaker opened.
        lasted: Duration,
    },
    /// The provider requested a pause longer than [`LimiterSettings::longest_outage`].
    Paused {
        /// The pause that the provider requested.
        wait: Duration,
    },
}

/// Admits calls one by one.
#[derive(Debug)]
pub struct Limiter {
    /// Admits the first call of one queue at a time; guards no data. It serves callers in the order
    /// they came. A queue waits here again only when its next call does, so queues take turns.
    turn: Semaphore,
    state: Mutex<LimiterState>,
    changed: Notify,
}

/// The queue of one run's calls before a limiter.
#[derive(Debug)]
pub struct RunQueue {
    limiter: Arc<Limiter>,
    /// Lets one call of the queue at a time wait for its turn; guards no data.
    head: Semaphore,
}

/// Permission for one attempt.
#[derive(Debug)]
pub struct Permit {
    limiter: Arc<Limiter>,
    ticket: Option<Ticket>,
}

impl Limiter {
    /// A limiter before its first call.
    pub fn new(settings: &LimiterSettings) -> Self {
        Self {
            turn: Semaphore::new(1),
            state: Mutex::new(LimiterState::new(settings)),
            changed: Notify::new(),
        }
    }

    /// Adopts every limit of `settings` that is stricter than the one in force.
    pub fn tighten(&self, settings: &LimiterSettings) {
        self.state.lock().tighten(settings);
        self.changed.notify_one();
    }

    /// A queue for one more run.
    pub fn queue(self: &Arc<Self>) -> RunQueue {
        RunQueue {
            limiter: Arc::clone(self),
            head: Semaphore::new(1),
        }
    }

    /// The kind with this name; one name always gives the same kind.
    pub fn kind(&self, name: &str) -> CallKind {
        self.state.lock().kind(name)
    }

    /// Waits for its turn and until all limits allow the call.
    async fn admit(self: &Arc<Self>, tokens: u64, kind: CallKind) -> Result<Permit, Outage> {
        let _turn = self
            .turn
            .acquire()
            .await
            .expect("the semaphore never closes");
        loop {
            let admission = self.state.lock().admit(tokens, kind, Instant::now());
            match admission {
                Admission::Admitted(ticket) => {
                    return Ok(Permit {
                        limiter: Arc::clone(self),
                        ticket: Some(ticket),
                    });
                }
                Admission::Down(outage) => return Err(outage),
                Admission::WaitForChange => self.changed.notified().await,
                Admission::WaitUntil(instant) => {
                    tokio::select! {
                        () = self.changed.notified() => {}
                        () = sleep_until(instant) => {}
                    }
                }
            }
        }
    }

    /// Waits while the provider is down or has requested a pause, outside the queue.
    ///
    /// # Errors
    /// The outage or the pause is longer than [`LimiterSettings::longest_outage`].
    pub async fn opened(&self) -> Result<(), Outage> {
        // `changed` wakes only the first call of the queue, so this loop polls.
        const LOOK_EVERY: Duration = Duration::from_millis(50);
        loop {
            let now = Instant::now();
            let closed = self.state.lock().closed(now);
            match closed {
                None | Some(Admission::Admitted(_)) => return Ok(()),
                Some(Admission::Down(outage)) => return Err(outage),
                Some(Admission::WaitForChange) => sleep_until(now + LOOK_EVERY).await,
                Some(Admission::WaitUntil(instant)) => {
                    sleep_until(instant.min(now + LOOK_EVERY)).await;
                }
            }
        }
    }

    /// Whether the breaker is open.
    pub fn is_down(&self) -> bool {
        self.state.lock().is_down()
    }

    fn finish(&self, ticket: Ticket, report: Report) {
        self.state.lock().finish(ticket, report, Instant::now());
        // Only the first call of the queue waits for it. Without a waiter `Notify` keeps one
        // permit, so the next waiter wakes up at once.
        self.changed.notify_one();
    }
}

impl RunQueue {
    /// Waits for permission for one attempt of this kind that uses at most about `tokens` tokens.
    ///
    /// # Errors
    /// The outage or the pause is longer than [`LimiterSettings::longest_outage`].
    ///
    /// # Panics
    /// Never: the semaphore that it waits for is not closed while the queue exists.
    pub async fn acquire(&self, tokens: u64, kind: CallKind) -> Result<Permit, Outage> {
        let _head = self
            .head
            .acquire()
            .await
            .expect("the semaphore never closes");
        self.limiter.admit(tokens, kind).await
    }

    /// The limiter that admits the calls of this queue.
    pub fn limiter(&self) -> &Arc<Limiter> {
        &self.limiter
    }
}

impl Permit {
    /// Whether this attempt is the probe that finds out if the provider is back.
    pub fn is_probe(&self) -> bool {
        self.ticket.is_some_and(|ticket| ticket.is_probe)
    }

    /// Returns the permit and reports how the attempt ended.
    pub fn finish(mut self, report: Report) {
        if let Some(ticket) = self.ticket.take() {
            self.limiter.finish(ticket, report);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.limiter.finish(ticket, Report::Cancelled);
        }
    }
}

#[cfg(test)]
mod search_tests;
#[cfg(test)]
mod tests;
