//! The reflection model: rewrites an instruction from the failures in its prompt, with the errors
//! that language models make.

use super::item::{Item, bits};
use super::line::Line;
use super::nature::Nature;
use super::rewriter::Rewriter;
use super::shown::Shown;
use super::wording::{HABITS, IDLE, OPENING, WORDINGS};
use super::world::World;
use crate::draws::Key;

/// Failures that a reflection model reads without loss. With more failures it learns less from
/// each.
const TAKEN_IN: f64 = 3.0;
/// Probability that a reply in the wrong form makes it drop the line that requests this form.
const SEES_TRAP: f64 = 0.12;

/// The reply to a reflection prompt. `sample` counts earlier replies to the same prompt, which get
/// other texts.
pub(super) fn rewrite(world: &World, prompt: &str, sample: u64) -> String {
    let shown = Shown::in_prompt(world, prompt);
    let place = place(world, &shown).with(sample);
    let mut texts: Vec<String> = Vec::new();
    for alternative in 0..shown.wanted as u64 {
        let place = place.with(alternative);
        let text = if let Some(lessons) = world.lessons() {
            Rewriter::new(world, lessons, &shown, place, alternative).text()
        } else {
            let shown = &shown;
            let writer = Writer {
                world,
                shown,
                place,
            };
            writer.text()
        };
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let broken = place.with(1_000).happens(world.nature().broken_fence);
    let fence = if broken { "" } else { "```" };
    let blocks = texts
        .iter()
        .map(|text| format!("{fence}\n{text}\n{fence}"))
        .collect::<Vec<String>>();
    format!(
        "The examples show what is missing.\n\n{}",
        blocks.join("\n\n")
    )
}

/// Draws depend on the content of the prompt and not on its form, so that clients with different
/// templates get the same model.
fn place(world: &World, shown: &Shown<'_>) -> Key {
    let lines = shown.lines.iter().map(|line| world.text_of(*line));
    let failures = shown.failures.iter().map(|item| item.id.clone());
    lines
        .chain(failures)
        .fold(world.key().with(10), |place, text| {
            place.and(Key::of_text(&text))
        })
}

struct Writer<'a> {
    world: &'a World,
    shown: &'a Shown<'a>,
    place: Key,
}

impl Writer<'_> {
    fn text(&self) -> String {
        let mut lines: Vec<Line> = self.kept().collect();
        let before = lines.len();
        for (number, item) in self.shown.failures.iter().enumerate() {
            let place = self.place.with(100 + number as u64);
            if let Some(line) = self.lesson(place, item)
                && !lines.contains(&line)
            {
                lines.push(line);
            }
        }
        if lines.len() == before {
            lines.push(self.filler());
        }
        let written = lines
            .into_iter()
            .map(|line| format!("- {}", self.world.text_of(line)));
        let opening = OPENING.into_iter().map(str::to_owned);
        opening.chain(written).collect::<Vec<String>>().join("\n")
    }

    /// The old lines that survive the rewriting.
    fn kept(&self) -> impl Iterator<Item = Line> {
        let nature = self.world.nature();
        let numbered = self.shown.lines.iter().enumerate();
        let kept = numbered.filter(move |(number, line)| {
            let place = self.place.with(200 + *number as u64);
            let lost = match line {
                Line::Trap if self.shown.spoilt => SEES_TRAP,
                Line::Trap => 0.0,
                _ => nature.forget,
            };
            !place.happens(lost)
        });
        kept.map(|(_, line)| *line)
    }

    /// The line that it learns from one failure.
    fn lesson(&self, place: Key, item: &Item) -> Option<Line> {
        let nature = self.world.nature();
        let shown = self.shown.failures.len() as f64;
        let overload = (shown / TAKEN_IN).max(1.0).sqrt();
        let Nature {
            hit,
            broaden,
            hallucinate,
            remark,
            ..
        } = nature;
        let draw = place.with(1).unit() * overload;
        let present = self.rules_present();
        let missing: Vec<usize> = bits(item.required & !present).collect();
        let decoy = missing.iter().find(|rule| **rule < nature.decoys);
        if let Some(decoy) = decoy
            && present == 0
            && place.with(6).happens(nature.salience)
        {
            return Some(Line::Rule(*decoy, 0));
        }
        let rule = place.with(2).chosen(&missing);
        let mut bar = *hit;
        if draw < bar {
            let wording = place.with(3).below(WORDINGS);
            // No rule is missing: it writes an old rule in other words.
            let old: Vec<usize> = bits(item.required).collect();
            let rule = rule.or_else(|| place.with(4).chosen(&old))?;
            return Some(Line::Rule(rule, wording));
        }
        bar += broaden;
        if draw < bar {
            return rule.map(Line::Broad);
        }
        bar += hallucinate;
        if draw < bar {
            return Some(Line::Habit(place.with(5).below(HABITS.len())));
        }
        bar += remark;
        (draw < bar).then_some(Line::Remark(item.split, item.index))
    }

    fn rules_present(&self) -> u64 {
        let rules = self.shown.lines.iter().filter_map(|line| match line {
            Line::Rule(rule, _) => Some(1_u64 << rule),
            _ => None,
        });
        rules.fold(0, |all, rule| all | rule)
    }

    /// The line that it writes if it has learnt nothing.
    fn filler(&self) -> Line {
        let unused: Vec<Line> = (0..IDLE.len())
            .map(Line::Idle)
            .filter(|line| !self.shown.lines.contains(line))
            .collect();
        let chosen = self.place.with(300).chosen(&unused);
        chosen.unwrap_or(Line::Idle(0))
    }
}
