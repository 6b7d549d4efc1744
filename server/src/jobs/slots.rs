//! How many jobs run at a time, and whose turn is next: the oldest job's.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The slots of a server.
#[derive(Debug)]
pub(super) struct Slots {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// Tickets of the jobs that wait.
    waiting: BTreeSet<u64>,
}

/// A place in the queue; given up when dropped.
#[derive(Debug)]
pub(super) struct Place {
    slots: Arc<Slots>,
    ticket: u64,
}

/// A slot; free again when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
}

impl Slots {
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                free: count,
                waiting: BTreeSet::new(),
            }),
            changed: Notify::new(),
        })
    }

    /// Queues a job; smaller tickets go first.
    pub(super) fn enter(self: &Arc<Self>, ticket: u64) -> Place {
        self.state.lock().waiting.insert(ticket);
        Place {
            slots: Arc::clone(self),
            ticket,
        }
    }

    fn take(self: &Arc<Self>, ticket: u64) -> Option<Slot> {
        let mut state = self.state.lock();
        if state.free == 0 || state.waiting.first() != Some(&ticket) {
            return None;
        }
        state.free -= 1;
        state.waiting.remove(&ticket);
        drop(state);
        // There may be a slot for the next one as well.
        self.changed.notify_waiters();
        Some(Slot {
            slots: Arc::clone(self),
        })
    }
}

impl Place {
    /// Waits for this job's turn.
    pub(super) async fn slot(&self) -> Slot {
        loop {
            let mut changed = pin!(self.slots.changed.notified());
            // From here on a change is not missed.
            changed.as_mut().enable();
            if let Some(slot) = self.slots.take(self.ticket) {
                return slot;
            }
            changed.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.slots.state.lock().waiting.remove(&self.ticket);
        self.slots.changed.notify_waiters();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.state.lock().free += 1;
        self.slots.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_job_gets_the_next_slot_and_those_who_leave_are_passed_over() {
        let slots = Slots::new(1);
        let places: Vec<Place> = [3, 1, 2].map(|ticket| slots.enter(ticket)).into();
        assert!(slots.take(3).is_none());
        let first = places[1].slot().await;
        assert!(slots.take(2).is_none());
        drop(first);
        assert!(slots.take(3).is_none());
        let [third, _, second] = places.try_into().expect("three places");
        drop(second);
        third.slot().await;
    }
}
