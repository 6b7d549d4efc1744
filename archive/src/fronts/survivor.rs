//! The list of survivors, as parents are drawn from it.

use crate::CandidateIndex;

/// A surviving candidate and the number of fronts it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// The candidate.
    pub candidate: CandidateIndex,
    /// Number of fronts that contain it, at least 1.
    pub weight: usize,
}

/// Survivors in order of first appearance (first front, then index), ready for weighted draws.
#[derive(Clone, Debug, Default)]
pub(crate) struct SurvivorList {
    survivors: Vec<Survivor>,
    /// Running sums of the weights.
    cumulative: Vec<usize>,
}

impl SurvivorList {
    /// Takes survivors in order of first appearance.
    pub(crate) fn new(survivors: Vec<Survivor>) -> Self {
        let running_sum = |sum: &mut usize, survivor: &Survivor| {
            *sum += survivor.weight;
            Some(*sum)
        };
        let cumulative = survivors.iter().scan(0, running_sum).collect();
        Self {
            survivors,
            cumulative,
        }
    }

    /// Takes all survivors out of the list.
    pub(super) fn take(&mut self) -> Vec<Survivor> {
        std::mem::take(self).survivors
    }

    pub(crate) fn as_slice(&self) -> &[Survivor] {
        &self.survivors
    }

    /// The survivors ascending.
    pub(crate) fn ids(&self) -> Vec<CandidateIndex> {
        let mut ids: Vec<_> = self.survivors.iter().map(|one| one.candidate).collect();
        ids.sort_unstable();
        ids
    }

    /// The sum of the weights.
    pub(crate) fn total_weight(&self) -> usize {
        self.cumulative.last().copied().unwrap_or(0)
    }

    /// The survivor at `offset` in the list in which each survivor occurs `weight` times.
    pub(crate) fn at_weight(&self, offset: usize) -> Option<CandidateIndex> {
        let position = self.cumulative.partition_point(|&sum| sum <= offset);
        self.survivors
            .get(position)
            .map(|survivor| survivor.candidate)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.survivors.capacity() * size_of::<Survivor>()
            + self.cumulative.capacity() * size_of::<usize>()
    }
}
