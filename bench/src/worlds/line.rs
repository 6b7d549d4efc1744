//! The lines that a reflection model can write in a world. Prompts consist of these lines.

use super::item::Split;
use super::wording::{HABITS, IDLE, OPENINGS, STRATEGIES, WORDINGS};
use crate::draws::Key;

/// One line of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Line {
    /// A right rule, in one of its wordings.
    Rule(usize, usize),
    /// A rule for every request that should be for one cue only.
    Broad(usize),
    /// A made-up rule.
    Habit(usize),
    /// A line about the way to work.
    Strategy(usize),
    /// Other words for the first line.
    Opening(usize),
    /// A line without effect.
    Idle(usize),
    /// The line that spoils the form of answers.
    Trap,
    /// A note on a single item.
    Remark(Split, usize),
}

impl Line {
    /// The key of draws that belong to this line.
    pub(super) fn key(self) -> Key {
        let (kind, number) = match self {
            Self::Rule(rule, wording) => (1, rule * WORDINGS + wording),
            Self::Broad(rule) => (2, rule),
            Self::Habit(habit) => (3, habit),
            Self::Strategy(strategy) => (4, strategy),
            Self::Opening(opening) => (5, opening),
            Self::Idle(idle) => (6, idle),
            Self::Trap => (7, 0),
            Self::Remark(split, index) => (8 + split as u64, index),
        };
        Key::of_number(kind).with(number as u64)
    }
}

/// Every line except remarks.
pub(super) fn vocabulary(rules: usize) -> impl Iterator<Item = Line> {
    let wordings = (0..rules).flat_map(|rule| (0..WORDINGS).map(move |way| Line::Rule(rule, way)));
    wordings
        .chain((0..rules).map(Line::Broad))
        .chain((0..HABITS.len()).map(Line::Habit))
        .chain((0..STRATEGIES.len()).map(Line::Strategy))
        .chain((0..OPENINGS.len()).map(Line::Opening))
        .chain((0..IDLE.len()).map(Line::Idle))
        .chain([Line::Trap])
}
