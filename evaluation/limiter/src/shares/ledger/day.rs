//! What all holders have spent on a day, and what a holder may spend of the rest.
//!
//! A day is a day in UTC, by the clock of the place, as for the quotas of tenants and on most bills of providers. The
//! count is one number, and everybody knows when it begins again.

use std::time::Duration;

use super::Ledger;
use super::calendar::DayView;
use super::words::{Amount, Moment, Turn};

impl Ledger {
    /// Counts what a closed grant has cost.
    pub(super) fn spend(&mut self, micro_dollars: u64) {
        self.day.spent = self.day.spent.saturating_add(micro_dollars);
    }

    /// Takes in what a holder says about costs, apart from that of its grant.
    pub(super) fn settle_costs(&mut self, turn: &Turn, now: u64) {
        self.day.begin(now);
        for (day, amount) in &turn.returned_costs {
            // What a call of yesterday did not cost cannot be spent today.
            if *day == self.day.number {
                self.day.spent = self.day.spent.saturating_sub(*amount);
            }
        }
        self.spend(turn.excess_cost);
    }

    /// The cost that a holder may cause until its next turn: what it wants, or an equal part of what is left.
    /// `None`: there is too little left for its first call.
    pub(super) fn part_of_day(&self, turn: &Turn, open: Amount) -> Option<u64> {
        let Some(limit) = self.limits.micro_dollars else {
            return Some(0);
        };
        let demand = turn.demand;
        let free = limit.saturating_sub(self.day.spent.saturating_add(open.micro_dollars));
        let wanting = self.holders.values();
        let wanting = wanting.filter(|holder| holder.demand.requests > 0).count() as u64;
        let first = demand.first_cost;
        let part = (free / wanting.max(1)).max(first).min(free);
        let granted = demand.micro_dollars.max(first).min(part);
        (granted >= first).then_some(granted)
    }

    /// The day as a holder sees it.
    pub(super) fn day_view(&self, turn: &Turn, at: Moment) -> DayView {
        let limit = self.limits.micro_dollars;
        let left = limit.map_or(0, |limit| limit.saturating_sub(self.day.spent));
        // Calls in flight give back what they reserved and did not cost.
        let nothing_comes_back = self
            .holders
            .values()
            .all(|holder| holder.demand.in_flight == 0);
        let wants = turn.demand.requests > 0;
        // A stricter limit goes with the holder that names it, which has nothing left to do either.
        let named = turn.limits.micro_dollars;
        let is_strictest = limit.is_some_and(|limit| named.is_none_or(|named| named <= limit));
        let number = self.day.number;
        DayView {
            number,
            limit,
            left,
            is_used_up: is_strictest
                && at.is_known
                && wants
                && nothing_comes_back
                && turn.demand.first_cost > left,
            ends_in: Duration::from_millis(self.day.left(at.now)),
        }
    }
}
