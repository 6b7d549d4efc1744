//! Limits the number of jobs that run at a time. A free slot goes to the oldest waiting job.

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
    /// Tickets of the waiting jobs.
    waiting: BTreeSet<u64>,
}

/// A place in the queue; dropping it leaves the queue.
#[derive(Debug)]
pub(super) struct QueuePlace {
    slots: Arc<Slots>,
    ticket: u64,
}

/// The right to run one job; dropping it frees the slot.
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

    /// Puts a job into the queue. Jobs with smaller tickets go first.
    pub(super) fn enter(self: &Arc<Self>, ticket: u64) -> QueuePlace {
        self.state.lock().waiting.insert(ticket);
        QueuePlace {
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
        // Another slot may be free for the next job.
        self.changed.notify_waiters();
        Some(Slot {
            slots: Arc::clone(self),
        })
    }
}

impl QueuePlace {
    /// Waits until this job gets a slot.
    pub(super) async fn slot(&self) -> Slot {
        loop {
            let mut changed = pin!(self.slots.changed.notified());
            // Registers before `take` looks, so that a change after the look wakes this task.
            changed.as_mut().enable();
            if let Some(slot) = self.slots.take(self.ticket) {
                return slot;
            }
            changed.await;
        }
    }
}

impl Drop for QueuePlace {
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
    async fn the_oldest_waiting_job_gets_the_next_slot() {
        let slots = Slots::new(1);
        let places: Vec<QueuePlace> = [3, 1, 2].map(|ticket| slots.enter(ticket)).into();
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
