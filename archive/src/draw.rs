//! The only source of randomness: a stream of 32-bit words, and the draws built on it.
//!
//! The algorithms are those of Python's `random` module (rejection sampling on the top bits,
//! Fisher-Yates from the end, 53-bit floats), because the reference implementation uses it. With
//! the same generator an archive makes the same decisions as the reference implementation.

use std::collections::HashSet;

/// A stream of random words with the draws that the archive and the engine need.
pub trait Draw {
    /// The next 32 random bits.
    fn word(&mut self) -> u32;

    /// A uniform index below `bound`; consumes at least one word even when `bound` is 1.
    /// `bound` is at least 1; 0 is treated as 1.
    fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        let bits = 64 - bound.leading_zeros();
        loop {
            let value = if bits <= 32 {
                u64::from(self.word() >> (32 - bits))
            } else {
                let low = u64::from(self.word());
                low | (u64::from(self.word() >> (64 - bits)) << 32)
            };
            if value < bound {
                return value as usize;
            }
        }
    }

    /// A uniform float in `[0, 1)` with 53 random bits.
    fn unit(&mut self) -> f64 {
        let high = u64::from(self.word() >> 5);
        let low = u64::from(self.word() >> 6);
        (high * (1 << 26) + low) as f64 / (1_u64 << 53) as f64
    }
}

/// Shuffles in place.
pub fn shuffle<T>(draw: &mut dyn Draw, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let other = draw.below(last + 1);
        items.swap(last, other);
    }
}

/// `count` distinct indices below `population`, in draw order; all of them if `count` is larger.
pub fn sample_indices(draw: &mut dyn Draw, population: usize, count: usize) -> Vec<usize> {
    let count = count.min(population);
    // Python switches from a pool to a set if the pool would take more memory.
    let mut pool_limit = 21_usize;
    if count > 5 {
        let mut power = 1_usize;
        while power < 3 * count {
            power *= 4;
        }
        pool_limit += power;
    }
    if population <= pool_limit {
        let mut pool: Vec<usize> = (0..population).collect();
        return (0..count)
            .map(|taken| {
                let picked = draw.below(population - taken);
                let index = pool[picked];
                pool[picked] = pool[population - taken - 1];
                index
            })
            .collect();
    }
    let mut seen = HashSet::with_capacity(count);
    let mut picked = Vec::with_capacity(count);
    while picked.len() < count {
        let index = draw.below(population);
        if seen.insert(index) {
            picked.push(index);
        }
    }
    picked
}

/// `count` indices below `population`, with replacement; empty when the population is.
pub fn sample_with_replacement(draw: &mut dyn Draw, population: usize, count: usize) -> Vec<usize> {
    if population == 0 {
        return Vec::new();
    }
    (0..count)
        .map(|_| (draw.unit() * population as f64) as usize)
        .collect()
}

/// One index, drawn in proportion to `weights`, or uniformly if their sum is not positive. `None`
/// only for an empty slice.
pub fn choices_weighted(draw: &mut dyn Draw, weights: &[f64]) -> Option<usize> {
    let total: f64 = weights.iter().sum();
    if weights.is_empty() {
        return None;
    }
    if total.is_nan() || total <= 0.0 {
        return Some(draw.below(weights.len()));
    }
    let target = draw.unit() * total;
    let mut running = 0.0;
    for (index, weight) in weights.iter().enumerate() {
        running += weight;
        if target < running {
            return Some(index);
        }
    }
    Some(weights.len() - 1)
}
