//! Reserve before, settle after: rollouts and reflection calls promised to proposals in flight.
//!
//! Works on what has been *decided*, never on what happens to have arrived, so that under the
//! ordered schedule it gives the same answers at any concurrency. Since nothing is ordered that was
//! not reserved, what is executed can never exceed it either.

/// Rollouts and reflection calls of the optimization phase.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    rollouts: Account,
    reflections: Account,
}

#[derive(Debug, Clone, Copy)]
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
    pub(crate) fn new(rollout_limit: Option<u64>, reflection_limit: Option<u64>) -> Self {
        Self {
            rollouts: Account::new(rollout_limit),
            reflections: Account::new(reflection_limit),
        }
    }

    /// Whether this much more could be reserved.
    pub(crate) fn covers(&self, wanted: Reservation) -> bool {
        self.covers_rollouts(wanted.rollouts) && self.reflections.covers(wanted.reflections)
    }

    /// Whether this many more rollouts could be reserved.
    pub(crate) fn covers_rollouts(&self, count: u64) -> bool {
        self.rollouts.covers(count)
    }

    /// Sets aside what `covers` allowed.
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

    pub(crate) fn rollout_limit(&self) -> Option<u64> {
        self.rollouts.limit
    }

    pub(crate) fn reflection_limit(&self) -> Option<u64> {
        self.reflections.limit
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
    fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
            settled: 0,
            reserved: 0,
        }
    }

    fn covers(&self, count: u64) -> bool {
        let taken = self.settled + self.reserved;
        self.limit
            .is_none_or(|limit| taken.saturating_add(count) <= limit)
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
        let mut ledger = Ledger::new(Some(10), None);
        ledger.reserve(rollouts(6));
        assert!(ledger.covers_rollouts(4));
        assert!(!ledger.covers_rollouts(5));
        ledger.settle(rollouts(6), rollouts(2));
        assert!(ledger.covers_rollouts(8));
        assert!(!ledger.covers_rollouts(9));
        assert!(ledger.covers(Reservation {
            rollouts: 8,
            reflections: u64::MAX
        }));
    }
}
