//! Which rollouts go first when slots are scarce. The core decides this from its state when it
//! gives the order, so a run gives the same orders at any concurrency; only the start times depend
//! on it.

use super::priority::{Class, Priority};
use super::proposal::{Comparison, Proposal};
use super::state::Core;
use crate::config::ScheduleKind;

impl Priority {
    /// The priority of the trials before a proposal's gate.
    pub(crate) fn gate(proposal: &Proposal) -> Self {
        Self::of(Class::Gate, proposal)
    }

    /// The priority of a refinement.
    pub(crate) fn refinement(proposal: &Proposal) -> Self {
        Self::of(Class::Pareto, proposal)
    }

    /// The priority of a pareto set that begins before the gate is committed.
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
    /// The priority of the pareto set of a child that passed its gate. Under the ordered schedule
    /// all later commits wait for the oldest child, so it goes first. Under the free schedule the
    /// child with the highest promise goes first.
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

    /// The mean score expected of a child: the highest mean of its parents plus the child's mean
    /// gain at the gate. A candidate from outside has no parents and gets infinity, because the
    /// user who submitted it wants its scores at once.
    fn promise(&self, proposal: &Proposal, gate: Option<Comparison>) -> f64 {
        let means = proposal.parents.iter().filter_map(|parent| {
            let entry = self.archive.get(*parent)?;
            Some(entry.estimate)
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

/// Maps `value` to a number that sorts in descending order of `value`.
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
