//! Which rollouts go first when slots are scarce. Decided from the state when the order is given, so
//! that a run at any concurrency gives the same orders; only their start depends on it.

use super::Core;
use super::proposal::{Comparison, Proposal};
use crate::config::ScheduleKind;

/// A rollout's place in the queue: the least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Priority {
    class: Class,
    /// The child's promise, turned around; 0 where age alone counts.
    weakness: u64,
    generation: u64,
    iteration: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Minibatches: they decide whether anything else is worth its rollouts, and the reflections
    /// behind them take longest.
    Gate,
    /// Pareto sets of children that passed.
    Pareto,
    /// Pareto sets ahead of their turn: idle slots only.
    Early,
}

impl Priority {
    /// Of the trials that a run makes on its own, the seed's and those on held-out examples.
    pub(crate) const ALONE: Self = Self {
        class: Class::Pareto,
        weakness: 0,
        generation: 0,
        iteration: 0,
    };

    /// Of the trials before a proposal's gate.
    pub(crate) fn gate(proposal: &Proposal) -> Self {
        Self::of(Class::Gate, proposal)
    }

    /// Of a pareto set that begins before the gate is committed.
    pub(crate) fn early(proposal: &Proposal) -> Self {
        Self::of(Class::Early, proposal)
    }

    fn of(class: Class, proposal: &Proposal) -> Self {
        Self {
            class,
            weakness: 0,
            generation: proposal.generation,
            iteration: proposal.iteration,
        }
    }
}

impl Core {
    /// Of the pareto set of a child that passed its gate. Under the ordered schedule everyone waits
    /// for the oldest; under the free one the leader, who promises most, goes first.
    pub(super) fn pareto_priority(
        &self,
        proposal: &Proposal,
        gate: Option<Comparison>,
    ) -> Priority {
        let weakness = match self.config.settings().run.schedule {
            ScheduleKind::Ordered => 0,
            ScheduleKind::Free => descending(self.promise(proposal, gate)),
        };
        Priority {
            weakness,
            ..Priority::of(Class::Pareto, proposal)
        }
    }

    /// The mean score that a child seems worth: what its best parent has, and what it gained at the
    /// gate. Whoever hands a candidate in wants its scores at once.
    fn promise(&self, proposal: &Proposal, gate: Option<Comparison>) -> f64 {
        let means = proposal.parents.iter().filter_map(|parent| {
            let entry = self.archive.get(*parent)?;
            Some(entry.mean)
        });
        let Some(parent) = means.reduce(f64::max) else {
            return f64::INFINITY;
        };
        let gained = gate.map_or(0.0, |sums| {
            (sums.child_sum - sums.parent_sum) / f64::from(sums.compared.max(1))
        });
        parent + gained
    }
}

/// A number that orders as `value` does, the greatest first.
fn descending(value: f64) -> u64 {
    let bits = value.to_bits();
    let ascending = if value.is_sign_negative() {
        !bits
    } else {
        bits | 1 << 63
    };
    !ascending
}

#[cfg(test)]
mod tests {
    use super::descending;

    #[test]
    fn greater_promises_come_first() {
        let values = [f64::INFINITY, 2.5, 1.0, 0.0, -0.5, -3.0];
        let ranks = values.map(descending);
        assert!(ranks.is_sorted_by(|left, right| left < right), "{ranks:?}");
    }
}
