//! Finds the rules in a prompt.

use std::collections::BTreeSet;

use super::item::Split;
use super::reading::Reading;
use super::world::World;
use crate::draws::Key;

const NEGATIONS: [&str; 4] = ["never", "never:", "do not", "do not:"];

const REMARK: &str = "the request ";

impl World {
    /// The rules that a policy finds in a prompt.
    pub fn read(&self, prompt: &str) -> Reading {
        let text = plain(prompt);
        let mut reading = Reading {
            key: Key::of_text(&text),
            rules: 0,
            negated: 0,
            broad: 0,
            habits: 0,
            strategies: 0,
            trapped: false,
            lines: BTreeSet::new(),
            remarks: remarks(self, &text),
            chars: text.chars().count(),
        };
        for (phrase, line) in self.phrases() {
            for (at, _) in text.match_indices(phrase.as_str()) {
                reading.take(*line, is_negated(&text[..at]));
                reading.lines.insert(*line);
            }
        }
        reading.rules &= !reading.negated;
        reading
    }
}

/// Lower case, with single spaces.
pub(super) fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

fn is_negated(before: &str) -> bool {
    let before = before.trim_end();
    NEGATIONS.iter().any(|word| before.ends_with(word))
}

fn remarks(world: &World, text: &str) -> BTreeSet<(Split, usize)> {
    let places = text.match_indices(REMARK);
    let noted = places.filter_map(|(at, _)| {
        let mut words = text[at + REMARK.len()..].split(' ');
        let id = words.next()?.to_uppercase();
        let rest: Vec<&str> = words.take(3).collect();
        let item = world.item(&id)?;
        let label = match rest.as_slice() {
            ["is", "answered", label] => label.trim_end_matches('.'),
            _ => return None,
        };
        (label == item.answer).then_some((item.split, item.index))
    });
    noted.collect()
}
