//! One limiter per address and key, shared by every model of the process that uses them.
//!
//! Each run stands in a line of its own, first come, first served, and the heads of the lines stand
//! in one: a call goes out of each run in turn, however many another has waiting. Only the first of
//! all looks at the limits. A permit is held for one attempt, never while backing off. Dropping a
//! future at any point gives back what it held.

mod breaker;
mod chance;
mod concurrency;
mod pace;
mod quota;
mod slowness;
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
    /// How long the breaker may stay open, and the longest pause that is sat out.
    pub longest_outage: Duration,
    /// Time from the opening of the breaker to the first probe.
    pub first_probe_after: Duration,
    /// Longest time between two probes.
    pub probe_at_least_every: Duration,
}

/// Calls whose durations can be compared with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kind(usize);

/// How an attempt ended, as far as the limits are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The caller went away.
    Cancelled,
    /// A completion that used this many tokens.
    Completed {
        /// Prompt and completion tokens.
        tokens: u64,
    },
    /// The provider is well, but this was no completion.
    Answered,
    /// Too many requests.
    Throttled {
        /// The pause that the provider asked for.
        retry_after: Option<Duration>,
    },
    /// No connection, or a server error; `overloaded` where it says that fewer calls would help.
    Unavailable {
        /// Whether fewer calls at once would help.
        overloaded: bool,
        /// The pause that the provider asked for.
        retry_after: Option<Duration>,
    },
    /// The reply did not arrive, or not whole; the provider may have done the work.
    Interrupted {
        /// Whether the time limit ended it.
        is_slow: bool,
    },
}

/// Why no call goes out any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// The provider has been unreachable for this long.
    Unreachable {
        /// Time since the breaker opened.
        lasted: Duration,
    },
    /// The provider asks for a pause longer than the user is willing to wait.
    Paused {
        /// The pause that the provider asked for.
        wait: Duration,
    },
}

/// Admits calls one by one.
#[derive(Debug)]
pub struct Limiter {
    /// Which line it is the turn of; guards no data. It serves whoever came first, and a line comes
    /// back only when its next call does: that is what makes the lines take turns.
    turn: Semaphore,
    state: Mutex<LimiterState>,
    changed: Notify,
}

/// The line of one run before a limiter.
#[derive(Debug)]
pub struct Line {
    limiter: Arc<Limiter>,
    /// The head of the line; guards no data.
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

    /// A line for one more run.
    pub fn line(self: &Arc<Self>) -> Line {
        Line {
            limiter: Arc::clone(self),
            head: Semaphore::new(1),
        }
    }

    /// The kind of calls of this name, whose durations are compared with each other.
    pub fn kind(&self, name: &str) -> Kind {
        self.state.lock().kind(name)
    }

    /// Waits for the turn and for room under all limits.
    async fn admit(self: &Arc<Self>, tokens: u64, kind: Kind) -> Result<Permit, Outage> {
        let _turn = self.turn.acquire().await.expect("the line never closes");
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

    /// Waits while the provider is down or has asked for a pause, without standing in line.
    pub async fn opened(&self) -> Result<(), Outage> {
        // Notices are for the head of the line, so whoever waits here has to look.
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
        // Only the head of the line listens, and a notice nobody hears is kept for the next head.
        self.changed.notify_one();
    }
}

impl Line {
    /// Waits in line for an attempt of this kind that will use at most about `tokens` tokens.
    pub async fn acquire(&self, tokens: u64, kind: Kind) -> Result<Permit, Outage> {
        let _head = self.head.acquire().await.expect("the line never closes");
        self.limiter.admit(tokens, kind).await
    }

    /// The limiter before which it stands.
    pub fn limiter(&self) -> &Arc<Limiter> {
        &self.limiter
    }
}

impl Permit {
    /// Whether this attempt finds out if the provider is back.
    pub fn is_probe(&self) -> bool {
        self.ticket.is_some_and(|ticket| ticket.is_probe)
    }

    /// Gives the permit back with how the attempt ended.
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
