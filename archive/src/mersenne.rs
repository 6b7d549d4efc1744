//! The random generator of the reference implementation.

use crate::Draw;

const SIZE: usize = 624;
const SHIFT: usize = 397;

/// MT19937 as Python's `random` seeds it from an integer, with a count of the words drawn.
#[derive(Clone, Debug)]
pub struct MersenneTwister {
    state: Vec<u32>,
    position: usize,
    drawn: u64,
}

impl MersenneTwister {
    /// The generator of `random.Random(seed)`.
    pub fn new(seed: u64) -> Self {
        let words = [seed as u32, (seed >> 32) as u32];
        let key = if words[1] == 0 {
            &words[..1]
        } else {
            &words[..]
        };
        Self {
            state: initial_state(key),
            position: SIZE,
            drawn: 0,
        }
    }

    /// Number of words drawn so far.
    pub fn drawn(&self) -> u64 {
        self.drawn
    }

    /// Draws words until `count` have been drawn in all.
    pub fn skip_to(&mut self, count: u64) {
        while self.drawn < count {
            self.word();
        }
    }

    fn twist(&mut self) {
        for index in 0..SIZE {
            let next = self.state[(index + 1) % SIZE];
            let joined = (self.state[index] & 0x8000_0000) | (next & 0x7fff_ffff);
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[index] = self.state[(index + SHIFT) % SIZE] ^ (joined >> 1) ^ odd;
        }
        self.position = 0;
    }
}

impl Draw for MersenneTwister {
    fn word(&mut self) -> u32 {
        if self.position == SIZE {
            self.twist();
        }
        let mut word = self.state[self.position];
        self.position += 1;
        self.drawn += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }
}

fn initial_state(key: &[u32]) -> Vec<u32> {
    let mut state = vec![19_650_218_u32; SIZE];
    for index in 1..SIZE {
        state[index] = mixed(state[index - 1])
            .wrapping_mul(1_812_433_253)
            .wrapping_add(index as u32);
    }
    let mut index = 1;
    for step in 0..SIZE.max(key.len()) {
        let at = step % key.len();
        state[index] = (state[index] ^ mixed(state[index - 1]).wrapping_mul(1_664_525))
            .wrapping_add(key[at])
            .wrapping_add(at as u32);
        index = advance(&mut state, index);
    }
    for _ in 1..SIZE {
        state[index] = (state[index] ^ mixed(state[index - 1]).wrapping_mul(1_566_083_941))
            .wrapping_sub(index as u32);
        index = advance(&mut state, index);
    }
    state[0] = 0x8000_0000;
    state
}

fn mixed(previous: u32) -> u32 {
    previous ^ (previous >> 30)
}

fn advance(state: &mut [u32], index: usize) -> usize {
    if index + 1 < SIZE {
        return index + 1;
    }
    state[0] = state[SIZE - 1];
    1
}
