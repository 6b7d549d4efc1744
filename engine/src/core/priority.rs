//! The place of a rollout in the queue.

/// A rollout's place in the queue; the smallest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Priority {
    pub(super) class: Class,
    /// The child's promise in reverse order; 0 where only age counts.
    pub(super) weakness: u64,
    pub(super) generation: u64,
    pub(super) iteration: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Minibatches. They decide which other rollouts are worth their cost, and the reflections that
    /// follow them take longest.
    Gate,
    /// Pareto sets of children that passed.
    Pareto,
    /// Pareto sets that begin before their turn. They use idle slots only.
    Early,
}

impl Priority {
    /// The priority of trials that belong to no proposal: the seed's and those on held-out
    /// examples.
    pub(crate) const ALONE: Self = Self {
        class: Class::Pareto,
        weakness: 0,
        generation: 0,
        iteration: 0,
    };

    /// A priority with this weakness.
    #[cfg(test)]
    pub(crate) fn of_weakness(weakness: u64) -> Self {
        Self {
            weakness,
            ..Self::ALONE
        }
    }
}
