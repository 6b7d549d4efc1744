//! Reserves rollouts and reflection calls for proposals in flight, and counts what they used.
//!
//! The ledger depends only on what has been *decided*, never on which results have arrived. Under
//! the ordered schedule it therefore gives the same answers at any concurrency. The core orders
//! nothing that it has not reserved, so the executed work never exceeds the budget.

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

/// What one proposal has reserved or used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reservation {
    pub(crate) rollouts: u64,
    pub(crate) reflections: u64,
}

impl Ledger {
    /// Sets the limits; `None` means no limit.
    pub(crate) fn limit_to(&mut self, rollouts: Option<u64>, reflections: Option<u64>) {
        self.rollouts.limit = rollouts;
        self.reflections.limit = reflections;
    }

    /// Whether this many further rollouts can be reserved.
    pub(crate) fn covers_rollouts(&self, count: u64) -> bool {
        self.rollouts.covers(count)
    }

    /// The number of rollouts that can still be reserved.
    pub(crate) fn rollouts_left(&self) -> u64 {
        self.rollouts.left()
    }

    /// Reserves what `covers_rollouts` allowed.
    pub(crate) fn reserve(&mut self, reservation: Reservation) {
        self.rollouts.reserved += reservation.rollouts;
        self.reflections.reserved += reservation.reflections;
    }

    /// Returns a reservation and counts the part of it that was used.
    pub(crate) fn settle(&mut self, reservation: Reservation, used: Reservation) {
        self.rollouts.settle(reservation.rollouts, used.rollouts);
        self.reflections
            .settle(reservation.reflections, used.reflections);
    }

    /// Rollouts as a stop condition sees them; `needed` is the number that the next generation
    /// needs.
    pub(crate) fn rollouts(&self, needed: u64) -> policy::Account {
        self.rollouts.shown(needed)
    }

    /// Reflection calls as a stop condition sees them.
    pub(crate) fn reflections(&self, needed: u64) -> policy::Account {
        self.reflections.shown(needed)
    }

    /// What all decided proposals have used.
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
