//! The time that counts for the limit of a rollout: not the time in which its model calls wait.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

tokio::task_local! {
    static CLOCK: RolloutClock;
}

/// Measures the time that a rollout, or a batch of them, has used. It stands still while model calls of
/// the rollout wait (for their turn, for the end of an outage or of a pause) and none is in flight.
///
/// **The caller** of an evaluator polls it within the clock ([`enter`](Self::enter),
/// [`scope`](Self::scope)) and ends it once it [`ran_for`](Self::ran_for) its limit.
///
/// **A model** says when a call waits and when it is in flight. The clock is that of the task; code that
/// continues a rollout in another task takes the clock along.
#[derive(Clone, Debug)]
pub struct RolloutClock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    state: Mutex<State>,
    /// Notified when the clock stops and when it goes on.
    changed: Notify,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// The time that counted before `since`.
    used: Duration,
    /// Since when time counts; `None` while the clock stands still.
    since: Option<Instant>,
    waiting: usize,
    in_flight: usize,
}

/// A part of a model call, from its creation until it is dropped.
#[derive(Debug)]
#[must_use = "the part of the call ends when this is dropped"]
pub struct CallPart {
    clock: Option<RolloutClock>,
    is_in_flight: bool,
}

impl RolloutClock {
    /// A clock that begins now.
    pub fn start() -> Self {
        let began = Instant::now();
        let state = State {
            used: Duration::ZERO,
            since: Some(began),
            waiting: 0,
            in_flight: 0,
        };
        Self {
            shared: Arc::new(Shared {
                began,
                state: Mutex::new(state),
                changed: Notify::new(),
            }),
        }
    }

    /// The clock of the rollout that the caller works for.
    pub fn current() -> Option<Self> {
        CLOCK.try_with(Self::clone).ok()
    }

    /// Takes a step of the rollout.
    pub fn enter<R>(&self, step: impl FnOnce() -> R) -> R {
        CLOCK.sync_scope(self.clone(), step)
    }

    /// Runs a part of the rollout.
    pub async fn scope<W: Future>(self, work: W) -> W::Output {
        CLOCK.scope(self, work).await
    }

    /// A model call of the current rollout begins to wait.
    pub fn call_waits() -> CallPart {
        CallPart::begin(false)
    }

    /// A model call of the current rollout is at the provider.
    pub fn call_in_flight() -> CallPart {
        CallPart::begin(true)
    }

    /// Whether time counts at this moment.
    pub fn is_running(&self) -> bool {
        self.locked().since.is_some()
    }

    /// The time since the clock began, with the time that does not count.
    pub fn age(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// The time that has counted so far.
    pub fn used(&self) -> Duration {
        let State { used, since, .. } = *self.locked();
        used + since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Returns once `limit` has counted.
    pub async fn ran_for(&self, limit: Duration) {
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            let State { used, since, .. } = *self.locked();
            let end = async {
                let left = limit.saturating_sub(used);
                match since.and_then(|since| since.checked_add(left)) {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = end => return,
                () = changed => {}
            }
        }
    }

    /// Runs `work` for at most `limit` of the current rollout's time; `None` if that was not enough.
    /// Outside of a rollout all time counts.
    pub async fn within<W: Future>(limit: Duration, work: W) -> Option<W::Output> {
        let clock = Self::current().unwrap_or_else(Self::start);
        let end = clock.used().saturating_add(limit);
        tokio::select! {
            biased;
            result = work => Some(result),
            () = clock.ran_for(end) => None,
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.locked();
        change(&mut state);
        let runs = state.waiting == 0 || state.in_flight > 0;
        match (state.since, runs) {
            (Some(since), false) => {
                state.used += since.elapsed();
                state.since = None;
            }
            (None, true) => state.since = Some(Instant::now()),
            _ => return,
        }
        drop(state);
        self.shared.changed.notify_waiters();
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics while it is held.
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallPart {
    fn begin(is_in_flight: bool) -> Self {
        let part = Self {
            clock: RolloutClock::current(),
            is_in_flight,
        };
        part.count(|calls| calls + 1);
        part
    }

    fn count(&self, count: impl FnOnce(usize) -> usize) {
        let Some(clock) = &self.clock else {
            return;
        };
        clock.change(|state| {
            let calls = if self.is_in_flight {
                &mut state.in_flight
            } else {
                &mut state.waiting
            };
            *calls = count(*calls);
        });
    }
}

impl Drop for CallPart {
    fn drop(&mut self) {
        self.count(|calls| calls.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_time_in_which_a_call_waits_does_not_count() {
        let clock = RolloutClock::start();
        let work = async {
            sleep(SECOND).await;
            let waits = RolloutClock::call_waits();
            sleep(600 * SECOND).await;
            drop(waits);
            let _in_flight = RolloutClock::call_in_flight();
            sleep(SECOND).await;
        };
        let limited = RolloutClock::within(3 * SECOND, work);
        assert_eq!(clock.clone().scope(limited).await, Some(()));
        assert_eq!(clock.used(), 2 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_at_the_provider_runs_into_the_limit() {
        let begun = Instant::now();
        let work = async {
            let waits = RolloutClock::call_waits();
            sleep(5 * SECOND).await;
            drop(waits);
            let _in_flight = RolloutClock::call_in_flight();
            std::future::pending::<()>().await;
        };
        let limited = RolloutClock::within(3 * SECOND, work);
        assert_eq!(RolloutClock::start().scope(limited).await, None);
        assert_eq!(begun.elapsed(), 8 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn time_counts_while_one_call_is_in_flight_and_another_waits() {
        let clock = RolloutClock::start();
        let (in_flight, waits) =
            clock.enter(|| (RolloutClock::call_in_flight(), RolloutClock::call_waits()));
        sleep(SECOND).await;
        drop(in_flight);
        assert!(!clock.is_running());
        sleep(SECOND).await;
        drop(waits);
        assert!(clock.is_running());
        assert_eq!(clock.used(), SECOND);
    }
}
