//! The rules that a policy finds in a prompt.

use std::collections::BTreeSet;

use super::item::Split;
use super::line::Line;
use super::world::World;
use crate::draws::Key;

/// The rules of a prompt, at any place in it. A rule that occurs twice, in the same or in other
/// words, counts once. A rule after `never` or `do not` counts as negated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The key of draws for this wording.
    pub(super) key: Key,
    /// Right rules, as bits.
    pub(super) rules: u64,
    /// Negated ones, as bits.
    pub(super) negated: u64,
    /// Rules taken too broadly, as bits.
    pub(super) broad: u64,
    /// Made-up rules, as bits.
    pub(super) habits: u64,
    /// Lines about the way to work, as bits.
    pub(super) strategies: u64,
    pub(super) trapped: bool,
    /// Every line of the world's vocabulary that the prompt contains, negated or not.
    pub(super) lines: BTreeSet<Line>,
    /// Items with a note of their own.
    pub(super) remarks: BTreeSet<(Split, usize)>,
    pub(super) chars: usize,
}

const NEGATIONS: [&str; 4] = ["never", "never:", "do not", "do not:"];
const REMARK: &str = "the request ";

impl Reading {
    pub(super) fn of(world: &World, prompt: &str) -> Self {
        let text = plain(prompt);
        let mut reading = Self {
            key: Key::of_text(&text),
            rules: 0,
            negated: 0,
            broad: 0,
            habits: 0,
            strategies: 0,
            trapped: false,
            lines: BTreeSet::new(),
            remarks: remarks(world, &text),
            chars: text.chars().count(),
        };
        for (phrase, line) in world.phrases() {
            for (at, _) in text.match_indices(phrase.as_str()) {
                reading.take(*line, is_negated(&text[..at]));
                reading.lines.insert(*line);
            }
        }
        reading.rules &= !reading.negated;
        reading
    }

    /// The number of right rules in the prompt.
    pub fn right_rules(&self) -> u32 {
        self.rules.count_ones()
    }

    fn take(&mut self, line: Line, negated: bool) {
        match (line, negated) {
            (Line::Rule(rule, _), false) => self.rules |= 1 << rule,
            (Line::Rule(rule, _), true) => self.negated |= 1 << rule,
            (Line::Broad(rule), false) => self.broad |= 1 << rule,
            (Line::Habit(habit), false) => self.habits |= 1 << habit,
            (Line::Strategy(strategy), false) => self.strategies |= 1 << strategy,
            (Line::Trap, false) => self.trapped = true,
            _ => {}
        }
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
