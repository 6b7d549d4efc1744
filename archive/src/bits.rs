//! Bit words over front slots: slot `f` is bit `f % 64` of word `f / 64`.

/// Slots per word.
pub(crate) const WORD: usize = 64;

/// The two comparisons of up to 64 values with the bests of their fronts.
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
    for (bit, (value, best)) in values.iter().zip(bests).enumerate() {
        comparison.greater |= u64::from(value > best) << bit;
        comparison.equal |= u64::from(value == best) << bit;
    }
    comparison
}

/// The bits of at most 64 bounds that `value` reaches.
pub(crate) fn reached(value: f64, bounds: &[f64]) -> u64 {
    bounds.iter().enumerate().fold(0, |word, (bit, &bound)| {
        word | (u64::from(value >= bound) << bit)
    })
}

/// The bits of at most 64 thresholds that are at most `index`.
pub(crate) fn at_most(thresholds: &[u32], index: u32) -> u64 {
    thresholds
        .iter()
        .enumerate()
        .fold(0, |word, (bit, &threshold)| {
            word | (u64::from(threshold <= index) << bit)
        })
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
