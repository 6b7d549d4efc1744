//! The randomness of a run: one independent stream per (seed, purpose, iteration).

use gepa_archive::{Draw, MersenneTwister};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::config::{SearchRules, Settings};

/// The purpose of a stream of random words. A draw added for one purpose does not shift any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DrawPurpose {
    /// Which candidate becomes the parent; keyed by iteration.
    Parent,
    /// The order of the training examples; keyed by epoch.
    Minibatch,
    /// Which candidates merge, and how; keyed by iteration.
    Merge,
    /// The order in which growing rows take the pareto examples; one key, 0.
    ParetoOrder,
    /// Whose row is refined; keyed by iteration.
    Refine,
}

/// Hands out streams. Tests hand out another generator through it.
pub trait RandomSource: Send {
    /// The stream for one purpose and iteration (or epoch).
    fn stream(&mut self, purpose: DrawPurpose, key: u64) -> Box<dyn Draw + '_>;
}

/// The source of randomness that the settings name, at its beginning.
pub(crate) fn source_of(settings: &Settings) -> Box<dyn RandomSource> {
    let seed = settings.run.seed;
    match settings.search.rules {
        SearchRules::Own => Box::new(ChaChaStreams::new(seed)),
        SearchRules::Reference => Box::new(OneGenerator(MersenneTwister::new(seed))),
    }
}

/// The reference implementation draws all random numbers from one generator, so each stream goes on
/// where the last one ended.
#[derive(Clone, Debug)]
struct OneGenerator(MersenneTwister);

impl RandomSource for OneGenerator {
    fn stream(&mut self, _purpose: DrawPurpose, _key: u64) -> Box<dyn Draw + '_> {
        Box::new(Borrowed(&mut self.0))
    }
}

struct Borrowed<'a>(&'a mut MersenneTwister);

impl Draw for Borrowed<'_> {
    fn word(&mut self) -> u32 {
        self.0.word()
    }
}

/// `ChaCha12` streams: the seed is the run's, purpose and key select the stream.
#[derive(Clone, Debug)]
pub struct ChaChaStreams {
    seed: u64,
}

impl ChaChaStreams {
    /// Streams for a run's seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }
}

impl RandomSource for ChaChaStreams {
    fn stream(&mut self, purpose: DrawPurpose, key: u64) -> Box<dyn Draw + '_> {
        let purpose_number = match purpose {
            DrawPurpose::Parent => 1_u64,
            DrawPurpose::Minibatch => 2,
            DrawPurpose::Merge => 3,
            // 4 stood for a draw of former versions.
            DrawPurpose::ParetoOrder => 5,
            DrawPurpose::Refine => 6,
        };
        let mut generator = ChaCha12Rng::seed_from_u64(self.seed);
        generator.set_stream((purpose_number << 56) | (key & ((1 << 56) - 1)));
        Box::new(ChaChaDraw(generator))
    }
}

struct ChaChaDraw(ChaCha12Rng);

impl Draw for ChaChaDraw {
    fn word(&mut self) -> u32 {
        self.0.next_u32()
    }
}

#[cfg(test)]
mod tests {
    use gepa_archive::shuffle;

    use super::*;

    #[test]
    fn streams_are_reproducible_and_independent() {
        let mut source = ChaChaStreams::new(7);
        let first = source.stream(DrawPurpose::Parent, 3).word();
        assert_eq!(source.stream(DrawPurpose::Parent, 3).word(), first);
        assert_ne!(source.stream(DrawPurpose::Parent, 4).word(), first);
        assert_ne!(source.stream(DrawPurpose::Merge, 3).word(), first);
        assert_ne!(
            ChaChaStreams::new(8).stream(DrawPurpose::Parent, 3).word(),
            first
        );
    }

    #[test]
    fn the_reference_draws_everything_from_one_generator() {
        let mut settings = Settings::default();
        settings.run.seed = 0;
        settings.search.rules = SearchRules::Reference;
        let mut source = source_of(&settings);
        assert_eq!(source.stream(DrawPurpose::Parent, 1).below(10), 6);
        let mut order: Vec<usize> = (0..10).collect();
        shuffle(&mut *source.stream(DrawPurpose::Minibatch, 0), &mut order);
        assert_eq!(order, [8, 9, 1, 2, 5, 3, 7, 4, 0, 6]);
    }

    /// The meaning of a journal depends on these words: a new version of the generator must not
    /// change the decisions of an old run.
    #[test]
    fn the_words_of_a_stream_never_change() {
        let mut source = ChaChaStreams::new(0);
        let mut stream = source.stream(DrawPurpose::Parent, 1);
        let words = [stream.word(), stream.word(), stream.word()];
        assert_eq!(words, GOLDEN_WORDS);
    }

    const GOLDEN_WORDS: [u32; 3] = [418_851_716, 3_955_612_165, 2_624_990_260];
}
