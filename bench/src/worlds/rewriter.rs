//! The reflection model of calibrated families: it repeats itself, sometimes rewrites from scratch,
//! and thinks of strategies as well as of rules.

use super::calibrated::Calibrated;
use super::item::{Item, bits};
use super::lessons::Lessons;
use super::line::Line;
use super::shown::Shown;
use super::wording::{HABITS, IDLE, OPENING, OPENINGS, WORDINGS};
use super::world::World;
use crate::draws::Key;

/// Failures that a reflection model reads without loss.
const TAKEN_IN: f64 = 3.0;
/// A note on a single case is lost in a rewriting from scratch.
const REMARK_LOST: f64 = 0.5;
/// A strategy that ruins the text is noticed.
const RUIN_LOST: f64 = 0.5;
/// It notes the case where it found the rule but has it already.
const REMARK_INSTEAD: f64 = 0.5;
/// Habits that a world knows.
const KNOWN_HABITS: usize = 6;

pub(super) struct Rewriter<'a> {
    world: &'a World,
    lessons: &'a Lessons,
    shown: &'a Shown<'a>,
    /// Draws of this reply.
    fresh: Key,
    /// Draws that are the same for every reply from this parent.
    parent: Key,
    repeats: bool,
}

impl<'a> Rewriter<'a> {
    /// One text of a reply. `fresh` belongs to this text alone. Only the first text of a reply can
    /// repeat an earlier one.
    pub(super) fn new(
        world: &'a World,
        lessons: &'a Lessons,
        shown: &'a Shown<'a>,
        fresh: Key,
        alternative: u64,
    ) -> Self {
        let lines = shown.lines.iter();
        let parent = lines.fold(world.key().with(11), |key, line| key.and(line.key()));
        let repeat = lessons.numbers().repeat;
        Self {
            world,
            lessons,
            shown,
            fresh,
            parent,
            repeats: alternative == 0 && fresh.with(400).happens(repeat),
        }
    }

    pub(super) fn text(&self) -> String {
        let numbers = self.lessons.numbers();
        let from_scratch = self.base().with(401).happens(numbers.from_scratch);
        let mut lines = self.kept(from_scratch);
        let before = lines.len();
        for item in &self.shown.failures {
            if let Some(line) = self.lesson(item, &lines)
                && !lines.contains(&line)
            {
                lines.push(line);
            }
        }
        lines.extend(self.strategy(&lines));
        if self.base().with(406).happens(numbers.ruin)
            && let Some(ruinous) = self.lessons.ruinous()
            && !lines.contains(&Line::Strategy(ruinous))
        {
            lines.push(Line::Strategy(ruinous));
        }
        if lines.len() == before {
            lines.push(self.filler(&lines));
        }
        let first = self.opening(from_scratch);
        let written = lines
            .into_iter()
            .map(|line| format!("- {}", self.world.text_of(line)));
        let opening = [first, OPENING[1].to_owned()];
        opening
            .into_iter()
            .chain(written)
            .collect::<Vec<String>>()
            .join("\n")
    }

    fn base(&self) -> Key {
        if self.repeats {
            self.parent
        } else {
            self.fresh
        }
    }

    fn kept(&self, from_scratch: bool) -> Vec<Line> {
        let numbers = self.lessons.numbers();
        let ruinous = self.lessons.ruinous();
        let lines = self.shown.lines.iter().copied();
        let kept = lines.filter(|line| {
            let lost = match (line, from_scratch) {
                (Line::Opening(_), _) => 1.0,
                (Line::Strategy(number), _) if Some(*number) == ruinous => RUIN_LOST,
                (Line::Remark(..), true) => REMARK_LOST,
                (Line::Remark(..), false) => 0.0,
                (_, true) => numbers.lost_from_scratch,
                (_, false) => numbers.lost,
            };
            !self.base().with(402).and(line.key()).happens(lost)
        });
        kept.collect()
    }

    fn opening(&self, from_scratch: bool) -> String {
        if from_scratch {
            let chosen = self.base().with(403).chosen(&OPENINGS);
            return chosen.unwrap_or(OPENING[0]).to_owned();
        }
        let old = self.shown.lines.iter();
        let old = old.copied().find(|line| matches!(line, Line::Opening(_)));
        old.map_or(OPENING[0].to_owned(), |line| self.world.text_of(line))
    }

    /// The line that it learns from one failure.
    fn lesson(&self, item: &Item, lines: &[Line]) -> Option<Line> {
        let Calibrated {
            hit,
            remark,
            made_up,
            ..
        } = self.lessons.numbers();
        let shown = self.shown.failures.len() as f64;
        let overload = (shown / TAKEN_IN).max(1.0).sqrt();
        let place = self.base().and(item.key);
        let draw = place.with(1).unit() * overload;
        let note = Line::Remark(item.split, item.index);
        if draw < *hit {
            let held = held(lines);
            let missing: Vec<usize> = bits(item.required & !held).collect();
            let wording = place.with(3).below(WORDINGS);
            let found = place.with(2).chosen(&missing);
            return found
                .map(|rule| Line::Rule(rule, wording))
                .or_else(|| place.with(4).happens(REMARK_INSTEAD).then_some(note));
        }
        if draw < hit + remark {
            return Some(note);
        }
        if draw < hit + remark + made_up {
            let habits = (0..KNOWN_HABITS.min(HABITS.len())).map(Line::Habit);
            let open: Vec<Line> = habits.filter(|habit| !lines.contains(habit)).collect();
            return place.with(5).chosen(&open);
        }
        None
    }

    fn strategy(&self, lines: &[Line]) -> Option<Line> {
        let place = self.base().with(404);
        if !place.happens(self.lessons.numbers().strategy) {
            return None;
        }
        let present = lines.iter().fold(0, |all, line| match line {
            Line::Strategy(number) => all | 1 << number,
            _ => all,
        });
        let open = self.lessons.open_strategies(present);
        let total: f64 = open.iter().map(|(_, weight)| weight).sum();
        let mut left = place.with(1).unit() * total;
        let chosen = open.iter().find(|(_, weight)| {
            left -= weight;
            left < 0.0
        });
        chosen.map(|(number, _)| Line::Strategy(*number))
    }

    /// The line that it writes if it has learnt nothing.
    fn filler(&self, lines: &[Line]) -> Line {
        let unused: Vec<Line> = (0..IDLE.len())
            .map(Line::Idle)
            .filter(|line| !lines.contains(line))
            .collect();
        let chosen = self.base().with(405).chosen(&unused);
        chosen.unwrap_or(Line::Idle(0))
    }
}

fn held(lines: &[Line]) -> u64 {
    let rules = lines.iter().filter_map(|line| match line {
        Line::Rule(rule, _) => Some(1_u64 << rule),
        _ => None,
    });
    rules.fold(0, |all, rule| all | rule)
}
