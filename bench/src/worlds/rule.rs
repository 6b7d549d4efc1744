//! The hidden rules of a world, and which of them spoil others.

use super::nature::Nature;
use super::wording::{ACTIONS, CUES, KINDS};
use crate::draws::Key;

/// A hidden rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) cue: &'static str,
    pub(super) action: &'static str,
    /// Share of the items that need it.
    pub(super) frequency: f64,
    /// The kind of items that it hurts although it is right.
    pub(super) clashes_with: Option<usize>,
    /// The kind of items that it hurts when it is taken too broadly.
    pub(super) broad_victim: usize,
}

/// The rules of a world.
pub(super) fn rules(key: Key, nature: &Nature) -> Vec<Rule> {
    let cues = shuffled(key.with(1), CUES);
    let actions = shuffled(key.with(2), ACTIONS);
    let numbered = cues.into_iter().zip(actions).take(nature.rules).enumerate();
    let rule = |(number, (cue, action)): (usize, (&'static str, &'static str))| {
        let place = key.with(3).with(number as u64);
        let clashes = number < nature.decoys || place.with(1).happens(nature.clashing);
        Rule {
            cue,
            action,
            frequency: if number < nature.decoys {
                nature.decoy_frequency
            } else {
                nature.commonest * nature.rarer.powi(number as i32)
            },
            clashes_with: clashes.then(|| place.with(2).below(KINDS.len())),
            broad_victim: place.with(3).below(KINDS.len()),
        }
    };
    numbered.map(rule).collect()
}

/// Pairs of rules; the first spoils the second.
pub(super) fn conflicts(key: Key, nature: &Nature) -> Vec<(usize, usize)> {
    let all = (0..nature.rules).flat_map(|one| (0..one).map(move |other| (other, one)));
    let conflicting = all.filter(|(one, other)| {
        let probability = if *one < nature.decoys {
            nature.decoy_conflicts
        } else {
            nature.conflicts
        };
        key.with(*one as u64)
            .with(*other as u64)
            .happens(probability)
    });
    conflicting.collect()
}

fn shuffled<const N: usize>(key: Key, mut words: [&'static str; N]) -> [&'static str; N] {
    for last in (1..N).rev() {
        words.swap(last, key.with(last as u64).below(last + 1));
    }
    words
}
