//! Items: the requests that the policy answers.

use super::nature::Nature;
use super::rule::Rule;
use super::wording::{self, KINDS, LABELS};
use crate::draws::Key;

/// The sets of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// For minibatches.
    Train,
    /// For the fronts.
    Pareto,
    /// Held out. The server serves these items.
    Validation,
    /// Never served. The score on these items is the true score of a prompt.
    Test,
}

impl Split {
    /// All sets.
    pub const ALL: [Self; 4] = [Self::Train, Self::Pareto, Self::Validation, Self::Test];

    fn letter(self) -> char {
        match self {
            Self::Train => 'T',
            Self::Pareto => 'P',
            Self::Validation => 'V',
            Self::Test => 'X',
        }
    }
}

/// One item of a world. The rules that it needs are hidden; its text is visible.
#[derive(Clone, Debug)]
pub struct Item {
    /// The id, such as `P-0123`.
    pub id: String,
    /// The text that the policy reads. It contains the id as `[item P-0123]`.
    pub input: String,
    /// The right reply.
    pub answer: &'static str,
    /// Feedback on a wrong reply: the right reply and its reason.
    pub feedback_wrong: String,
    /// Feedback on a right reply.
    pub feedback_right: String,
    pub(super) split: Split,
    pub(super) index: usize,
    pub(super) key: Key,
    pub(super) kind: usize,
    /// The rules it needs, as bits.
    pub(super) required: u64,
    pub(super) difficulty: f64,
    pub(super) discrimination: f64,
}

impl Item {
    pub(super) fn new(
        world: Key,
        nature: &Nature,
        rules: &[Rule],
        split: Split,
        index: usize,
    ) -> Self {
        let id = format!("{}-{:04}", split.letter(), index + 1);
        let key = world.and(Key::of_text(&id));
        let needs = |(number, rule): (usize, &Rule)| {
            let needed = key.with(100 + number as u64).happens(rule.frequency);
            u64::from(needed) << number
        };
        let required: u64 = rules.iter().enumerate().map(needs).sum();
        let kind = key.with(1).below(KINDS.len());
        let answer = key.with(2).chosen(&LABELS).unwrap_or(LABELS[0]);
        let cues: Vec<&str> = bits(required)
            .filter_map(|number| rules.get(number))
            .map(|rule| rule.cue)
            .collect();
        let subject = match cues.as_slice() {
            [] => "a general matter".to_owned(),
            [only] => (*only).to_owned(),
            [most @ .., last] => format!("{} and {last}", most.join(", ")),
        };
        let marker = wording::marker(&id);
        let number = index + 1;
        Self {
            input: format!(
                "{marker} Request {number} from {}, about {subject}.",
                KINDS[kind]
            ),
            feedback_wrong: format!(
                "Wrong for {id}: {answer} was expected. Requests from {} about {subject} follow \
                 a convention that the reply missed.",
                KINDS[kind]
            ),
            feedback_right: format!("Right for {id}."),
            answer,
            split,
            index,
            key,
            kind,
            required,
            difficulty: nature.difficulty
                + nature.spread * key.with(3).normal()
                + nature.weight * f64::from(required.count_ones()),
            discrimination: nature.discrimination * (0.25 * key.with(4).normal()).exp(),
            id,
        }
    }
}

/// The numbers of the bits that are set.
pub(super) fn bits(mask: u64) -> impl Iterator<Item = usize> {
    (0..64).filter(move |number| mask >> number & 1 == 1)
}
