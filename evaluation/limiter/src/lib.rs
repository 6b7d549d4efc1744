//! One limiter per address and key, shared by every model of the process that uses them.
//!
//! Every run has a queue of its own, first come, first served. Runs take turns: the first calls of
//! all queues wait in one further queue, so one call of each run goes out in turn, however many
//! calls another run has waiting. Only the first call of that queue waits for the limits. A permit
//! is held for one attempt, never while backing off. Dropping a future at any point returns what it
//! held.

mod allowance;
mod breaker;
mod concurrency;
mod latency;
mod pace;
mod quota;
mod refusal_filter;
pub mod shares;
mod sharing;
mod state;
mod window;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
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
    /// No connection: the attempt went nowhere.
    Unreached,
    /// A broken connection, or a server error.
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

/// What is left of a provider's limits, as the headers of a reply say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Requests.
    pub requests: Option<Left>,
    /// Tokens, prompt and completion.
    pub tokens: Option<Left>,
}

/// What is left of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The whole of it, where that is said.
    pub limit: Option<u64>,
    /// What may be used at once.
    pub remaining: u64,
    /// How long until the whole of it may be used again.
    pub full_in: Option<Duration>,
}

/// What all calls have to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The provider counts as down.
    Down {
        /// Time since the breaker opened.
        lasted: Duration,
        /// When the next call finds out whether it is back; `None` while one does.
        next_try_in: Option<Duration>,
        /// When calls give up.
        gives_up_in: Duration,
    },
    /// The provider asked for a pause.
    Paused {
        /// What is left of it.
        ends_in: Duration,
    },
}

/// What a limiter allows at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Calls that may be in flight at once.
    pub allowed: u32,
    /// Calls that the provider refused because there were too many, since the limiter exists.
    pub refused: u64,
    /// What all calls have to wait for.
    pub standing: Option<Standing>,
}

/// Why a call failed without going out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// No connection was ever made.
    NeverReached {
        /// Time since the breaker opened.
        lasted: Duration,
    },
    /// The run has left: its calls need not go out any more.
    Left,
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
    /// Calls that want to go out, and the tokens that the first of them reserves.
    waiting: AtomicU64,
    first: AtomicU64,
    /// Wakes the keeper of a shared limit.
    share_wanted: Arc<Notify>,
    /// Why the shared limit is not reached.
    share_trouble: Mutex<Option<String>>,
}

/// The queue of one run's calls before a limiter.
#[derive(Debug)]
pub struct RunQueue {
    limiter: Arc<Limiter>,
    /// Lets one call of the queue at a time wait for its turn; guards no data.
    head: Semaphore,
    /// What the calls of now hold on to.
    stay: Mutex<Stay>,
}

/// The time in which a call may wait: it ends when its run no longer wants to wait.
#[derive(Clone, Debug)]
pub struct Stay {
    /// Has no permits: closing it is what is waited for.
    exit: Arc<Semaphore>,
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
            waiting: AtomicU64::new(0),
            first: AtomicU64::new(0),
            share_wanted: Arc::default(),
            share_trouble: Mutex::default(),
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
            stay: Mutex::new(Stay::new()),
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
        self.first.store(tokens, Ordering::Relaxed);
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
                Admission::WaitForShare => {
                    self.share_wanted.notify_one();
                    self.changed.notified().await;
                }
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
                Some(Admission::WaitForChange | Admission::WaitForShare) => {
                    sleep_until(now + LOOK_EVERY).await;
                }
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

    /// Whether anybody has ever answered.
    pub fn has_answered(&self) -> bool {
        self.state.lock().has_answered()
    }

    /// What all calls have to wait for at this moment, if there is such a thing.
    pub fn standing(&self) -> Option<Standing> {
        self.state.lock().standing(Instant::now())
    }

    /// What it allows at this moment.
    pub fn load(&self) -> Load {
        self.state.lock().load(Instant::now())
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
    /// The outage or the pause is longer than [`LimiterSettings::longest_outage`], or the run left.
    pub async fn acquire(&self, tokens: u64, kind: CallKind) -> Result<Permit, Outage> {
        let stay = self.stay();
        self.acquire_within(&stay, tokens, kind).await
    }

    /// The same for a call that began earlier, with this stay.
    pub async fn acquire_within(
        &self,
        stay: &Stay,
        tokens: u64,
        kind: CallKind,
    ) -> Result<Permit, Outage> {
        let _waiting = Waiting::begin(&self.limiter);
        tokio::select! {
            permit = self.admitted(tokens, kind) => permit,
            () = stay.ended() => Err(Outage::Left),
        }
    }

    async fn admitted(&self, tokens: u64, kind: CallKind) -> Result<Permit, Outage> {
        let _head = self
            .head
            .acquire()
            .await
            .expect("the semaphore never closes");
        self.limiter.admit(tokens, kind).await
    }

    /// The stay of a call that begins now.
    pub fn stay(&self) -> Stay {
        self.stay.lock().clone()
    }

    /// Ends the waits of all calls that have begun. Permits already given stay good, and calls that
    /// begin later wait as ever.
    pub fn leave(&self) {
        let before = std::mem::replace(&mut *self.stay.lock(), Stay::new());
        before.exit.close();
    }

    /// The limiter that admits the calls of this queue.
    pub fn limiter(&self) -> &Arc<Limiter> {
        &self.limiter
    }
}

/// A call that wants to go out.
struct Waiting<'l>(&'l Limiter);

impl<'l> Waiting<'l> {
    fn begin(limiter: &'l Limiter) -> Self {
        limiter.waiting.fetch_add(1, Ordering::Relaxed);
        Self(limiter)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Stay {
    fn new() -> Self {
        Self {
            exit: Arc::new(Semaphore::new(0)),
        }
    }

    /// Waits until the run leaves.
    pub async fn ended(&self) {
        // Without permits it answers only when it is closed.
        let _ = self.exit.acquire().await;
    }
}

impl Permit {
    /// Whether this attempt is the probe that finds out if the provider is back.
    pub fn is_probe(&self) -> bool {
        self.ticket.is_some_and(|ticket| ticket.is_probe)
    }

    /// Takes note of what the provider says is left of its limits.
    pub fn heard(&self, allowance: &Allowance) {
        let mut state = self.limiter.state.lock();
        state.heard(allowance, Instant::now());
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
