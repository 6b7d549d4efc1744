//! The reference implementation draws all random numbers from one generator.

use std::sync::{Arc, Mutex, MutexGuard};

use gepa_archive::Draw;
use gepa_testing::MersenneTwister;

use crate::random::{DrawPurpose, RandomSource};

/// Every stream of the core, drawn from one shared generator.
#[derive(Clone, Debug)]
pub(super) struct Twister(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    generator: MersenneTwister,
    /// The purpose of each stream, and the number of words drawn before it.
    streams: Vec<(DrawPurpose, u64)>,
}

impl Twister {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            generator: MersenneTwister::new(seed),
            streams: Vec::new(),
        })))
    }

    pub(super) fn words(&self) -> u64 {
        self.state().generator.drawn()
    }

    /// The streams handed out since the last call.
    pub(super) fn take_streams(&self) -> Vec<(DrawPurpose, u64)> {
        std::mem::take(&mut self.state().streams)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no draw panics")
    }
}

impl RandomSource for Twister {
    fn stream(&mut self, purpose: DrawPurpose, _key: u64) -> Box<dyn Draw + '_> {
        let mut state = self.state();
        let words = state.generator.drawn();
        state.streams.push((purpose, words));
        drop(state);
        Box::new(self.clone())
    }
}

impl Draw for Twister {
    fn word(&mut self) -> u32 {
        self.state().generator.word()
    }
}
