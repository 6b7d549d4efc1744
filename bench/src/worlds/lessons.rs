//! What the lines of a prompt are worth in a calibrated family: a probit model with a part that
//! generalises, the luck of a wording on single items, and the luck of a call.

use std::f64::consts::SQRT_2;

use statrs::function::erf::erfc;

use super::calibrated::Calibrated;
use super::family::Family;
use super::item::{Item, bits};
use super::line::Line;
use super::reading::Reading;
use super::wording::STRATEGIES;
use crate::draws::Key;

/// Share of the items that a made-up rule hurts.
const HABIT_VICTIMS: f64 = 0.25;
/// The ability that a note on an item gives to this item.
const REMARK_WORTH: f64 = 2.5;
/// What a line beyond the free ones costs.
const LINE_COST: f64 = 0.015;
/// The lines of the seed prompt.
const SEED_LINES: f64 = 2.0;
/// Standard deviation of the logarithm of a rule's worth.
const WORTH_SIGMA: f64 = 0.3;
/// The weight of the opening in the luck of a wording, where any other line has 1. A child with one
/// more line keeps nine tenths of its parent's luck, a rewriting from scratch four tenths.
const OPENING_WEIGHT: f64 = 2.0;

/// The worth of every line in one world.
#[derive(Debug)]
pub(super) struct Lessons {
    numbers: Calibrated,
    /// Rules by number.
    rules: Vec<f64>,
    /// Mean effects of strategies by number; `None` for strategies of other worlds.
    strategies: Vec<Option<Strategy>>,
    key: Key,
}

/// A strategy of a world.
#[derive(Clone, Copy, Debug)]
struct Strategy {
    mean: f64,
    /// How soon a reflection model thinks of it; 0 for the one that ruins a text.
    weight: f64,
}

impl Lessons {
    /// The lessons of a world; `None` unless its family is calibrated.
    pub(super) fn of(family: Family, world: Key) -> Option<Self> {
        let numbers = Calibrated::of(family)?;
        let key = world.with(20);
        let rules = (0..numbers.rules as u64)
            .map(|rule| numbers.worth * (WORTH_SIGMA * key.with(1).with(rule).normal()).exp());
        Some(Self {
            numbers,
            rules: rules.collect(),
            strategies: strategies(key.with(2), &numbers),
            key,
        })
    }

    pub(super) fn numbers(&self) -> &Calibrated {
        &self.numbers
    }

    /// The strategies of this world that a prompt does not contain, with how soon a reflection
    /// model thinks of each.
    pub(super) fn open_strategies(&self, present: u64) -> Vec<(usize, f64)> {
        let numbered = self.strategies.iter().enumerate();
        let open = numbered.filter(|(number, _)| present & 1 << number == 0);
        open.filter_map(|(number, strategy)| Some((number, (*strategy)?.weight)))
            .collect()
    }

    /// The strategy that ruins a text.
    pub(super) fn ruinous(&self) -> Option<usize> {
        let ruins = |strategy: &Option<Strategy>| strategy.is_some_and(|one| one.weight == 0.0);
        self.strategies.iter().position(ruins)
    }

    pub(super) fn are_deterministic(&self) -> bool {
        self.numbers.call_luck == 0.0
    }

    /// The probability, over wordings and calls, that an item is answered rightly.
    pub(super) fn probability(&self, reading: &Reading, item: &Item) -> f64 {
        let luck = self.numbers.wording_luck.hypot(self.numbers.call_luck);
        let ability = self.ability(reading, item);
        0.5 * erfc(-ability / (luck * SQRT_2))
    }

    /// Whether this wording of the prompt answers the item rightly in this call.
    pub(super) fn is_right(&self, reading: &Reading, item: &Item, sample: u64) -> bool {
        let mut sum = self.ability(reading, item) + self.wording_luck(reading, item);
        if reading.remarks.contains(&(item.split, item.index)) {
            sum += REMARK_WORTH;
        }
        if !self.are_deterministic() {
            let call = item.key.and(reading.key).with(2).with(sample);
            sum += self.numbers.call_luck * call.normal();
        }
        sum > 0.0
    }

    /// The part that generalises. A note on the item itself is not in it.
    fn ability(&self, reading: &Reading, item: &Item) -> f64 {
        let numbers = &self.numbers;
        let mut ability = numbers.ease + numbers.spread * item.key.with(3).normal();
        for rule in bits(item.required & !reading.rules) {
            ability -= self.rules[rule];
        }
        for rule in bits(reading.rules & !item.required) {
            let place = item.key.with(2_000 + rule as u64);
            if place.happens(numbers.victims) {
                ability -= numbers.harm;
            }
        }
        for number in bits(reading.strategies) {
            if let Some(Some(strategy)) = self.strategies.get(number) {
                let place = item.key.with(3_000 + number as u64);
                ability += strategy.mean + numbers.effect_spread * place.normal();
            }
        }
        for habit in bits(reading.habits) {
            let place = item.key.with(4_000 + habit as u64);
            if place.happens(HABIT_VICTIMS) {
                ability -= numbers.habit_harm;
            }
        }
        let is_opening = |line: &&Line| matches!(line, Line::Opening(_));
        let replaced = reading.lines.iter().filter(is_opening).count();
        let added = reading.lines.len() - replaced + reading.remarks.len();
        let lines = SEED_LINES + added as f64;
        ability - LINE_COST * (lines - numbers.free_lines).max(0.0)
    }

    /// Texts that share lines share luck.
    fn wording_luck(&self, reading: &Reading, item: &Item) -> f64 {
        let opening = reading.lines.iter().find_map(|line| match line {
            Line::Opening(number) => Some(1 + *number as u64),
            _ => None,
        });
        let place = self.key.and(item.key).with(5_000);
        let mut sum = OPENING_WEIGHT * place.with(opening.unwrap_or(0)).normal();
        let mut squares = OPENING_WEIGHT * OPENING_WEIGHT;
        let lines = reading.lines.iter().copied();
        let remarks = reading.remarks.iter();
        let remarks = remarks.map(|(split, index)| Line::Remark(*split, *index));
        for line in lines.chain(remarks) {
            if !matches!(line, Line::Opening(_)) {
                sum += place.and(line.key()).normal();
                squares += 1.0;
            }
        }
        self.numbers.wording_luck * sum / squares.sqrt()
    }
}

/// Which of the strategies a world knows, and what they do, is drawn.
fn strategies(key: Key, numbers: &Calibrated) -> Vec<Option<Strategy>> {
    let good = (numbers.good, numbers.good_effect, numbers.obvious);
    let neutral = (numbers.neutral, 0.0, 1.0);
    let bad = (numbers.bad, numbers.bad_effect, 1.0);
    let ruinous = (1, numbers.ruin_effect, 0.0);
    let kinds = [good, neutral, bad, ruinous];
    let wanted = kinds
        .into_iter()
        .flat_map(|(count, effect, weight)| std::iter::repeat_n((effect, weight), count));
    let mut places: Vec<usize> = (0..STRATEGIES.len()).collect();
    for last in (1..places.len()).rev() {
        places.swap(last, key.with(last as u64).below(last + 1));
    }
    let mut strategies = vec![None; STRATEGIES.len()];
    for (place, (effect, weight)) in places.into_iter().zip(wanted) {
        let draw = key.with(100 + place as u64).normal();
        let mean = effect * (numbers.effect_sigma * draw).exp();
        strategies[place] = Some(Strategy { mean, weight });
    }
    strategies
}
