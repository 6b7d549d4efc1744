//! A world: its hidden rules, its items, and the probability of a right answer to each.

use super::family::Family;
use super::item::{Item, Split, bits};
use super::lessons::Lessons;
use super::line::{Line, vocabulary};
use super::nature::Nature;
use super::reading::Reading;
use super::rule::{Rule, conflicts, rules};
use super::wording::{
    self, HABITS, IDLE, KINDS, LABELS, OPENING, OPENINGS, SPOILT, STRATEGIES, TRAP,
};
use crate::draws::Key;

/// Items of each set. A client uses as many of the first items as it wants.
pub const LARGEST_SET: usize = 500;

/// Worth of a broad rule, as a share of the worth of the right rule.
const BROAD_SHARE: f64 = 0.7;
/// The ability that a note on an item gives to this item.
const REMARK_WORTH: f64 = 4.0;
/// Characters of a prompt that cost nothing.
const FREE_CHARS: f64 = 500.0;

/// A task with hidden rules: a pure function of its family and seed.
#[derive(Debug)]
pub struct World {
    family: Family,
    seed: u64,
    nature: Nature,
    key: Key,
    rules: Vec<Rule>,
    /// Pairs of rules; the first spoils the second.
    conflicts: Vec<(usize, usize)>,
    sets: [Vec<Item>; 4],
    /// What lines are worth in a calibrated family.
    lessons: Option<Lessons>,
    seed_prompt: String,
    /// Every line except remarks, in the form in which prompts are searched for it.
    phrases: Vec<(String, Line)>,
}

impl World {
    /// The world of this family and seed.
    pub fn new(family: Family, seed: u64) -> Self {
        let nature = family.nature();
        let key = Key::of_text(family.as_str()).with(seed);
        let rules = rules(key.with(1), &nature);
        let conflicts = conflicts(key.with(2), &nature);
        let sets = Split::ALL.map(|split| {
            let indices = 0..LARGEST_SET;
            let items = indices.map(|index| Item::new(key, &nature, &rules, split, index));
            items.collect()
        });
        let trap = (nature.trap > 0.0).then_some(TRAP);
        let opening: Vec<&str> = OPENING.into_iter().chain(trap).collect();
        let mut world = Self {
            family,
            seed,
            nature,
            key,
            rules,
            conflicts,
            sets,
            lessons: Lessons::of(family, key),
            seed_prompt: opening.join("\n"),
            phrases: Vec::new(),
        };
        let lines = vocabulary(world.rules.len());
        world.phrases = lines
            .map(|line| (world.text_of(line).to_lowercase(), line))
            .collect();
        world
    }

    /// Its family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Its seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The prompt with which every search begins.
    pub fn seed_prompt(&self) -> &str {
        &self.seed_prompt
    }

    /// All items of a set, [`LARGEST_SET`] of them.
    pub fn items(&self, split: Split) -> &[Item] {
        &self.sets[split as usize]
    }

    /// The item with this id.
    pub fn item(&self, id: &str) -> Option<&Item> {
        let (_, number) = id.split_once('-')?;
        let index = number.parse::<usize>().ok()?.checked_sub(1)?;
        let candidates = self.sets.iter().filter_map(|items| items.get(index));
        candidates.into_iter().find(|item| item.id == id)
    }

    /// The probability, over all draws, that the policy answers an item rightly; 0 to 1.
    pub fn probability(&self, reading: &Reading, item: &Item) -> f64 {
        match &self.lessons {
            Some(lessons) => lessons.probability(reading, item),
            None => self.knows(reading, item) * (1.0 - self.spoils(reading)),
        }
    }

    /// The mean probability over the first `count` items of a set: the exact score of a prompt.
    /// Over [`LARGEST_SET`] items of [`Split::Test`] it is the true score of the prompt.
    pub fn expected(&self, reading: &Reading, split: Split, count: usize) -> f64 {
        let items = &self.items(split)[..count.min(LARGEST_SET)];
        let sum: f64 = items
            .iter()
            .map(|item| self.probability(reading, item))
            .sum();
        sum / items.len() as f64
    }

    /// The policy's reply on an item. `sample` counts earlier replies to the same call; it matters
    /// only in families whose answers differ from call to call.
    pub fn reply(&self, reading: &Reading, item: &Item, sample: u64) -> String {
        if let Some(lessons) = &self.lessons {
            let is_right = lessons.is_right(reading, item, sample);
            return if is_right {
                item.answer.to_owned()
            } else {
                wrong(item)
            };
        }
        let knows = self.knows(reading, item);
        let place = item.key.and(reading.key);
        // Most draws are shared between prompts, as with real models: two prompts that differ in
        // one line give most items the same answer.
        let draw = if place.with(1).happens(self.nature.resampled) {
            place.with(2).with(sample)
        } else if place.with(3).happens(self.nature.reworded) {
            place.with(4)
        } else {
            item.key.with(5)
        };
        let draw = draw.unit();
        if draw < knows * (1.0 - self.spoils(reading)) {
            item.answer.to_owned()
        } else if draw < knows {
            format!("{SPOILT} {}", item.answer)
        } else {
            wrong(item)
        }
    }

    /// Whether equal calls always get equal replies.
    pub fn is_deterministic(&self) -> bool {
        match &self.lessons {
            Some(lessons) => lessons.are_deterministic(),
            None => self.nature.resampled == 0.0,
        }
    }

    /// The hidden rules in their first wording. A search has to find them.
    pub fn hidden_rules(&self) -> Vec<String> {
        let rules = 0..self.rules.len();
        rules
            .map(|rule| self.text_of(Line::Rule(rule, 0)))
            .collect()
    }

    /// The hidden rules that an item needs, as indices of [`hidden_rules`](Self::hidden_rules).
    pub fn needs(&self, item: &Item) -> Vec<usize> {
        bits(item.required).collect()
    }

    /// The text of a line in this world.
    pub(super) fn text_of(&self, line: Line) -> String {
        match line {
            Line::Rule(number, wording) => {
                wording::rule(self.rules[number].cue, self.rules[number].action, wording)
            }
            Line::Broad(number) => wording::broad(self.rules[number].action),
            Line::Habit(number) => HABITS[number].to_owned(),
            Line::Strategy(number) => STRATEGIES[number].to_owned(),
            Line::Opening(number) => OPENINGS[number].to_owned(),
            Line::Idle(number) => IDLE[number].to_owned(),
            Line::Trap => TRAP.to_owned(),
            Line::Remark(split, index) => {
                let item = &self.items(split)[index];
                wording::remark(&item.id, item.answer)
            }
        }
    }

    pub(super) fn nature(&self) -> &Nature {
        &self.nature
    }

    pub(super) fn lessons(&self) -> Option<&Lessons> {
        self.lessons.as_ref()
    }

    pub(super) fn key(&self) -> Key {
        self.key
    }

    pub(super) fn phrases(&self) -> &[(String, Line)] {
        &self.phrases
    }

    /// The three-parameter logistic model of item response theory (Birnbaum, 1968).
    fn knows(&self, reading: &Reading, item: &Item) -> f64 {
        let distance = self.ability(reading, item) - item.difficulty;
        let grasp = 1.0 / (1.0 + (-item.discrimination * distance).exp());
        self.nature.chance + (1.0 - self.nature.chance) * grasp
    }

    fn spoils(&self, reading: &Reading) -> f64 {
        if reading.trapped {
            self.nature.trap
        } else {
            0.0
        }
    }

    fn ability(&self, reading: &Reading, item: &Item) -> f64 {
        let nature = &self.nature;
        let needed = |rules: u64| f64::from((rules & item.required).count_ones());
        let helped = needed(reading.rules) + BROAD_SHARE * needed(reading.broad & !reading.rules);
        let mut ability = nature.weight * (helped - needed(reading.negated));
        for number in bits(reading.rules) {
            if self.rules[number].clashes_with == Some(item.kind) {
                ability -= nature.clash;
            }
        }
        for number in bits(reading.broad & !item.required) {
            if self.rules[number].broad_victim == item.kind {
                ability -= nature.harm;
            }
        }
        for number in bits(reading.habits) {
            if self.habit_victim(number) == item.kind {
                ability -= nature.harm;
            }
        }
        for (spoiling, spoilt) in &self.conflicts {
            let both = 1 << spoiling | 1 << spoilt;
            if reading.rules & both == both && item.required & 1 << spoilt != 0 {
                ability -= nature.conflict;
            }
        }
        if reading.remarks.contains(&(item.split, item.index)) {
            ability += REMARK_WORTH;
        }
        let surplus = (reading.chars as f64 - FREE_CHARS).max(0.0);
        ability - nature.length * surplus / 1_000.0
    }

    fn habit_victim(&self, habit: usize) -> usize {
        self.key.with(3).with(habit as u64).below(KINDS.len())
    }
}

/// The wrong reply to an item, which is always the same.
fn wrong(item: &Item) -> String {
    let others: Vec<&str> = LABELS
        .into_iter()
        .filter(|label| *label != item.answer)
        .collect();
    let other = item.key.with(6).chosen(&others).unwrap_or_default();
    other.to_owned()
}
