//! Bit words over front slots: slot `f` is bit `f % 64` of word `f / 64`.

/// Slots per word.
pub(crate) const WORD: usize = 64;

/// The bit of each slot in its word.
const BITS: [u64; WORD] = {
    let mut bits = [0; WORD];
    let mut slot = 0;
    while slot < WORD {
        bits[slot] = 1 << slot;
        slot += 1;
    }
    bits
};

/// Up to 64 values compared with the best values of their fronts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Strictly greater: the front is won.
    pub(crate) greater: u64,
    /// Equal: the front is joined.
    pub(crate) equal: u64,
}

/// Compares at most 64 values with as many bests; NaN is neither greater nor equal.
pub(crate) fn compare(values: &[f64], bests: &[f64]) -> Comparison {
    let mut comparison = Comparison::default();
    for ((value, best), bit) in values.iter().zip(bests).zip(&BITS) {
        comparison.greater |= bit_if(value > best, *bit);
        comparison.equal |= bit_if(value == best, *bit);
    }
    comparison
}

/// The bits of at most 64 bounds that `value` reaches.
pub(crate) fn reached(value: f64, bounds: &[f64]) -> u64 {
    let reached = |bound: &f64| value >= *bound;
    bounds
        .iter()
        .zip(&BITS)
        .fold(0, |word, (bound, bit)| word | bit_if(reached(bound), *bit))
}

/// The bits of at most 64 thresholds that are at most `index`.
pub(crate) fn at_most(thresholds: &[u32], index: u32) -> u64 {
    let is_met = |threshold: &u32| *threshold <= index;
    thresholds
        .iter()
        .zip(&BITS)
        .fold(0, |word, (one, bit)| word | bit_if(is_met(one), *bit))
}

/// The slots set in one word, ascending.
pub(crate) fn slots_in(position: usize, word: u64) -> impl Iterator<Item = usize> {
    let mut rest = word;
    std::iter::from_fn(move || {
        if rest == 0 {
            return None;
        }
        let bit = rest.trailing_zeros() as usize;
        rest &= rest - 1;
        Some(position * WORD + bit)
    })
}

/// The slots set in a sequence of words, ascending.
pub(crate) fn slots(words: &[u64]) -> impl Iterator<Item = usize> + '_ {
    words
        .iter()
        .enumerate()
        .flat_map(|(position, &word)| slots_in(position, word))
}

/// The number of words that hold `count` slots.
pub(crate) fn words_for(count: usize) -> usize {
    count.div_ceil(WORD)
}

/// `bit` if the condition holds, otherwise 0, without a branch. Compilers turn masking a bit from a
/// table into vector instructions, which is 2 to 3 times as fast as shifting the condition.
fn bit_if(condition: bool, bit: u64) -> u64 {
    bit & u64::from(condition).wrapping_neg()
}
