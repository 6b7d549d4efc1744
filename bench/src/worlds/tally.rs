//! Counts equal calls of a run.

use std::collections::BTreeMap;

use gepa_evaluation::Message;
use parking_lot::Mutex;

use super::model::Role;
use crate::draws::Key;

/// Counts of equal calls within one run. The number of attempts decides latency and faults; the
/// number of answers decides which draw a repeated call gets. Equal calls are interchangeable, so
/// the order in which they arrive does not matter.
#[derive(Debug, Default)]
pub struct Tally {
    counts: Mutex<BTreeMap<Key, Counts>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    attempts: u64,
    answers: u64,
}

impl Tally {
    /// Counts an attempt and returns the number of attempts before it.
    pub(super) fn attempt(&self, call: Key) -> u64 {
        let mut counts = self.counts.lock();
        let counts = counts.entry(call).or_default();
        counts.attempts += 1;
        counts.attempts - 1
    }

    /// Counts an answer and returns the number of answers before it.
    pub(super) fn answer(&self, call: Key) -> u64 {
        let mut counts = self.counts.lock();
        let counts = counts.entry(call).or_default();
        counts.answers += 1;
        counts.answers - 1
    }
}

/// The key of the draws of a call.
pub(super) fn call_key(role: Role, messages: &[Message]) -> Key {
    messages
        .iter()
        .flat_map(|message| [message.role.as_str(), message.content.as_str()])
        .fold(Key::of_text(role.as_str()), |key, text| {
            key.and(Key::of_text(text))
        })
}
