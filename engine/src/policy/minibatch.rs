//! Which training examples an iteration gets.

use gepa_archive::{CandidateIndex, shuffle};

use crate::random::{DrawPurpose, RandomSource};

/// A reflection that needs a minibatch.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MinibatchQuestion {
    /// The first iteration that is tried on it, from 1.
    pub iteration: u64,
    /// Its generation, from 1. Questions come in the order of generations.
    pub generation: u64,
    /// Its place among the minibatches of the generation, from 0.
    pub chunk: u64,
    /// The parent that is run on it.
    pub parent: CandidateIndex,
    /// Training examples there are, at least 1; an example is named by its position.
    pub examples: usize,
    /// The number of examples requested, at least 1.
    pub size: usize,
}

/// Draws minibatches.
///
/// The core asks once for each reflection. It leaves out positions that do not exist and cuts the
/// answer to `size`, because the budget covers no more. If nothing is left, it takes the first
/// example.
///
/// The policy names 1 to `size` positions; an example may be named twice. All its randomness comes
/// from `random`, under [`DrawPurpose::Minibatch`].
pub trait MinibatchSampler: Send {
    /// Positions in the training set.
    fn sample(&mut self, question: &MinibatchQuestion, random: &mut dyn RandomSource)
    -> Vec<usize>;

    /// Whether another process gives the same answers to the same questions, from the configuration
    /// and this value alone. If not, the answers are journaled; see [`Policies`](super::Policies).
    fn replayable(&self) -> bool {
        false
    }
}

/// Every example once per epoch, in an order drawn anew each epoch. Epochs that do not divide into
/// minibatches are padded with the shuffled list read backwards. The position depends on the
/// iteration alone, so iterations that need no minibatch skip one (reference algorithm 1.8).
#[derive(Clone, Debug)]
pub struct EpochShuffled {
    examples: usize,
    minibatch: usize,
    order: Vec<usize>,
    epoch: Option<u64>,
}

impl EpochShuffled {
    /// A sampler over `examples` examples, at least one, in minibatches of `minibatch`, at least
    /// one.
    pub fn new(examples: usize, minibatch: usize) -> Self {
        Self {
            examples: examples.max(1),
            minibatch: minibatch.max(1),
            order: Vec::new(),
            epoch: None,
        }
    }

    /// The minibatch of an iteration (from 1), as positions in the training set; `chunk` counts
    /// the requests within the iteration, from 0. Iterations must not go back.
    pub fn batch(
        &mut self,
        iteration: u64,
        chunk: u64,
        random: &mut dyn RandomSource,
    ) -> Vec<usize> {
        let minibatch = self.minibatch as u64;
        let position = iteration.saturating_sub(1) * minibatch;
        match self.epoch {
            None => self.draw_order(0, random),
            Some(epoch) => {
                let due = position / self.order.len() as u64;
                if due > epoch {
                    self.draw_order(due, random);
                }
            }
        }
        let start = ((position + chunk * minibatch) % self.order.len() as u64) as usize;
        self.order[start..start + self.minibatch].to_vec()
    }

    fn draw_order(&mut self, epoch: u64, random: &mut dyn RandomSource) {
        let mut order: Vec<usize> = (0..self.examples).collect();
        shuffle(
            &mut *random.stream(DrawPurpose::Minibatch, epoch),
            &mut order,
        );
        let padded = order.len().next_multiple_of(self.minibatch);
        let backwards: Vec<usize> = order.iter().rev().copied().collect();
        order.extend(backwards.into_iter().cycle().take(padded - self.examples));
        self.order = order;
        self.epoch = Some(epoch);
    }
}

impl MinibatchSampler for EpochShuffled {
    fn sample(
        &mut self,
        question: &MinibatchQuestion,
        random: &mut dyn RandomSource,
    ) -> Vec<usize> {
        self.batch(question.generation, question.chunk, random)
    }

    fn replayable(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::ChaChaStreams;

    #[test]
    fn an_epoch_covers_every_example_and_pads_backwards() {
        let mut random = ChaChaStreams::new(1);
        let mut sampler = EpochShuffled::new(7, 3);
        let drawn: Vec<usize> = (1..=3)
            .flat_map(|iteration| sampler.batch(iteration, 0, &mut random))
            .collect();
        let mut covered = drawn[..7].to_vec();
        covered.sort_unstable();
        assert_eq!(covered, (0..7).collect::<Vec<_>>());
        assert_eq!(drawn[7..], [drawn[6], drawn[5]]);
    }

    #[test]
    fn skipped_iterations_skip_their_minibatch() {
        let mut random = ChaChaStreams::new(1);
        let mut all = EpochShuffled::new(9, 3);
        let mut some = EpochShuffled::new(9, 3);
        let every: Vec<_> = (1..=6).map(|n| all.batch(n, 0, &mut random)).collect();
        assert_eq!(some.batch(1, 0, &mut random), every[0]);
        assert_eq!(some.batch(3, 0, &mut random), every[2]);
        assert_eq!(some.batch(5, 0, &mut random), every[4]);
    }

    #[test]
    fn a_training_set_smaller_than_the_minibatch_repeats() {
        let mut random = ChaChaStreams::new(1);
        let batch = EpochShuffled::new(2, 5).batch(1, 0, &mut random);
        assert_eq!(batch.len(), 5);
        assert!(batch.iter().all(|position| *position < 2));
    }
}
