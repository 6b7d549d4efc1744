//! Random draws that are functions of a key, without a generator, so that their order does not
//! matter.

use std::f64::consts::TAU;

/// The key of draws. Further numbers lead to further keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u64);

impl Key {
    /// The key of a text.
    pub fn of_text(text: &str) -> Self {
        let digest = blake3::hash(text.as_bytes());
        let head = digest.as_bytes().first_chunk().copied();
        Self(u64::from_le_bytes(head.unwrap_or_default()))
    }

    /// The key of a number.
    pub const fn of_number(number: u64) -> Self {
        Self(number)
    }

    /// The key that this number leads to from here.
    #[must_use]
    pub fn with(self, number: u64) -> Self {
        Self(mixed(self.0.rotate_left(23) ^ mixed(number)))
    }

    /// The key that another key leads to from here.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.with(other.0)
    }

    /// A uniform number from 0 to 1, without 1.
    pub fn unit(self) -> f64 {
        (mixed(self.0) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether an event of this probability happens.
    pub fn happens(self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number below `count`; 0 if `count` is 0.
    pub fn below(self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// One of these values; `None` if there are none.
    pub fn chosen<T: Copy>(self, among: &[T]) -> Option<T> {
        among.get(self.below(among.len())).copied()
    }

    /// A standard normal number (Box and Muller, 1958).
    pub fn normal(self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (TAU * self.with(1).unit()).cos()
    }

    /// A log-normal number with this mean and this standard deviation of its logarithm.
    pub fn log_normal(self, mean: f64, sigma: f64) -> f64 {
        mean * (sigma * self.normal() - sigma * sigma / 2.0).exp()
    }
}

/// The finalizer of splitmix64 (Steele, Lea and Flood, 2014).
fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
