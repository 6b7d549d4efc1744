//! The rules that a policy finds in a prompt.

use std::collections::BTreeSet;

use super::item::Split;
use super::line::Line;
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

impl Reading {
    /// The number of right rules in the prompt.
    pub fn right_rules(&self) -> u32 {
        self.rules.count_ones()
    }

    pub(super) fn take(&mut self, line: Line, negated: bool) {
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
