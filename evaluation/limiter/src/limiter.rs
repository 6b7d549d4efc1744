//! The limiter, the queues of runs before it, and permits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::state::{Admission, Cost, LimiterState, Ticket};
use super::terms::{
    Allowance, CallKind, LimiterSettings, Load, Needs, Outage, Report, Standing, UsedUp,
};

/// Admits calls one by one.
#[derive(Debug)]
pub struct Limiter {
    /// Admits the first call of one queue at a time; guards no data. It serves callers in the order
    /// they came. A queue waits here again only when its next call does, so queues take turns.
    turn: Semaphore,
    pub(super) state: Mutex<LimiterState>,
    pub(super) changed: Notify,
    /// Calls that want to go out, and what the first of them reserves.
    pub(super) waiting: AtomicU64,
    pub(super) first: AtomicU64,
    pub(super) first_cost: AtomicU64,
    /// Wakes the keeper of a shared limit.
    pub(super) share_wanted: Arc<Notify>,
    /// Why the shared limit is not reached.
    pub(super) share_trouble: Mutex<Option<String>>,
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
            first_cost: AtomicU64::new(0),
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
    async fn admit(self: &Arc<Self>, needs: Needs, kind: CallKind) -> Result<Permit, Outage> {
        let _turn = self
            .turn
            .acquire()
            .await
            .expect("the semaphore never closes");
        self.first.store(needs.tokens, Ordering::Relaxed);
        self.first_cost
            .store(needs.micro_dollars, Ordering::Relaxed);
        loop {
            let admission = self.state.lock().admit(needs, kind, Instant::now());
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

    /// The limit on the cost of a day that holds calls back, if it is used up.
    pub fn used_up(&self) -> Option<UsedUp> {
        self.state.lock().used_up(Instant::now())
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
    /// Waits for permission for one attempt of this kind that uses at most `needs`; a number alone is one of
    /// tokens.
    ///
    /// # Errors
    /// The outage or the pause is longer than [`LimiterSettings::longest_outage`], the cost of the day is used
    /// up, or the run left.
    pub async fn acquire(&self, needs: impl Into<Needs>, kind: CallKind) -> Result<Permit, Outage> {
        let stay = self.stay();
        self.acquire_within(&stay, needs, kind).await
    }

    /// The same for a call that began earlier, with this stay.
    pub async fn acquire_within(
        &self,
        stay: &Stay,
        needs: impl Into<Needs>,
        kind: CallKind,
    ) -> Result<Permit, Outage> {
        let _waiting = Waiting::begin(&self.limiter);
        tokio::select! {
            permit = self.admitted(needs.into(), kind) => permit,
            () = stay.ended() => Err(Outage::Left),
        }
    }

    async fn admitted(&self, needs: Needs, kind: CallKind) -> Result<Permit, Outage> {
        let _head = self
            .head
            .acquire()
            .await
            .expect("the semaphore never closes");
        self.limiter.admit(needs, kind).await
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

    /// Takes note of what the attempt cost, in millionths of a dollar; `None` if that is not known. Without this
    /// word a completion, or an attempt that may have been paid for, costs what it reserved.
    pub fn cost(&mut self, micro_dollars: Option<u64>) {
        if let Some(ticket) = &mut self.ticket {
            ticket.cost = match micro_dollars {
                Some(cost) => Cost::Known(cost),
                None => Cost::Reserved,
            };
        }
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
