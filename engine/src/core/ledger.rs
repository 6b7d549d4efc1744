//! Reserve before, settle after: rollouts and reflection calls promised to proposals in flight.
//!
//! Works on what has been *decided*, never on what happens to have arrived, so that under the
//! ordered schedule it gives the same answers at any concurrency. Since nothing is ordered that was
//! not reserved, what is executed can never exceed it either.

use crate::policy;

/// Rollouts and reflection calls of the optimization phase.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    rollouts: Account,
    reflections: Account,
}

#[derive(Debug, Clone, Copy, Default)]
struct Account {
    limit: Option<u64>,
    settled: u64,
    reserved: u64,
}

/// What one proposal holds, or has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reservation {
    pub(crate) rollouts: u64,
    pub(crate) reflections: u64,
}

impl Ledger {
    /// Sets the limits; `None` for none.
    pub(crate) fn limit_to(&mut self, rollouts: Option<u64>, reflections: Option<u64>) {
        self.rollouts.limit = rollouts;
        self.reflections.limit = reflections;
    }

    /// Whether this many more rollouts could be reserved.
    pub(crate) fn covers_rollouts(&self, count: u64) -> bool {
        self.rollouts.covers(count)
    }

    /// Rollouts that could still be reserved.
    pub(crate) fn rollouts_left(&self) -> u64 {
        self.rollouts.left()
    }

    /// Sets aside what `covers_rollouts` allowed.
    pub(crate) fn reserve(&mut self, reservation: Reservation) {
        self.rollouts.reserved += reservation.rollouts;
        self.reflections.reserved += reservation.reflections;
    }

    /// Gives a reservation back and counts what was really used of it.
    pub(crate) fn settle(&mut self, reservation: Reservation, used: Reservation) {
        self.rollouts.settle(reservation.rollouts, used.rollouts);
        self.reflections
            .settle(reservation.reflections, used.reflections);
    }

    /// Rollouts as a stop condition sees them; `needed` is what the next generation needs.
    pub(crate) fn rollouts(&self, needed: u64) -> policy::Account {
        self.rollouts.shown(needed)
    }

    /// Reflection calls as a stop condition sees them.
    pub(crate) fn reflections(&self, needed: u64) -> policy::Account {
        self.reflections.shown(needed)
    }

    /// What everything decided so far has used.
    pub(crate) fn settled(&self) -> Reservation {
        Reservation {
            rollouts: self.rollouts.settled,
            reflections: self.reflections.settled,
        }
    }
}

impl Account {
    fn shown(self, needed: u64) -> policy::Account {
        policy::Account {
            limit: self.limit,
            used: self.settled,
            reserved: self.reserved,
            needed,
        }
    }

    fn left(self) -> u64 {
        self.limit.map_or(u64::MAX, |limit| {
            limit.saturating_sub(self.settled + self.reserved)
        })
    }

    fn covers(self, count: u64) -> bool {
        self.shown(count).covers_need()
    }

    fn settle(&mut self, reserved: u64, used: u64) {
        self.reserved = self.reserved.saturating_sub(reserved);
        self.settled += used;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollouts(count: u64) -> Reservation {
        Reservation {
            rollouts: count,
            reflections: 0,
        }
    }

    #[test]
    fn reservations_count_until_they_are_settled() {
        let mut ledger = Ledger::default();
        ledger.limit_to(Some(10), None);
        ledger.reserve(rollouts(6));
        assert!(ledger.covers_rollouts(4));
        assert!(!ledger.covers_rollouts(5));
        ledger.settle(rollouts(6), rollouts(2));
        assert!(ledger.covers_rollouts(8));
        assert!(!ledger.covers_rollouts(9));
        assert!(ledger.reflections(u64::MAX).covers_need());
    }
}
