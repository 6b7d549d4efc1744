//! Families of worlds: the numbers in which tasks differ.

use std::fmt;
use std::str::FromStr;

use super::calibrated::Calibrated;

/// A kind of task. The first seven answer by a logistic model with hidden rules that add up; the
/// published comparisons use them. The others are calibrated to recorded runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Every right rule helps and no rule hurts: the best candidate is always the best parent.
    Additive,
    /// Some rules hurt some kinds of items, and a tempting rule spoils all others.
    Interference,
    /// The reflection model loses old rules when it rewrites.
    Forgetting,
    /// The wording of the seed prompt spoils the form of many right answers.
    FormatTrap,
    /// Answers differ from call to call.
    Noisy,
    /// No rule helps: the right result is the seed prompt.
    NothingLearnable,
    /// A mixture on which no search is tuned.
    HeldOut,
    /// Tuned to the moments of recorded runs; the other calibrated families are changes of it.
    Typical,
    /// Many rare rules and deterministic answers, as in the classification of intents.
    Niche,
    /// Lessons that help some items hurt many others.
    Tradeoffs,
    /// Answers are sampled at a high temperature.
    Sampled,
    /// The seed prompt answers three quarters of the items rightly.
    Saturated,
    /// Control: no lesson helps.
    Nothing,
    /// Control: no lesson helps and a half of the variance of answers is between calls, as in a
    /// recorded run on mathematics problems.
    NothingNoisy,
    /// The reflection model often rewrites from scratch.
    Forgetful,
    /// The reflection model often notes single cases.
    Memorising,
    /// The seed prompt answers a fifth of the items rightly.
    Hard,
    /// A few lessons help a lot and are hard to find.
    Jackpot,
    /// Control: the reflection model never repeats itself.
    Fresh,
    /// The seed prompt answers nine tenths of the items rightly.
    NearlyPerfect,
}

/// No family has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no family of worlds is called `{0}`; there are: {names}", names = names())]
pub struct UnknownFamily(String);

impl Family {
    /// The families that are calibrated to recorded runs, with their controls.
    pub const CALIBRATED: [Self; 13] = [
        Self::Typical,
        Self::Niche,
        Self::Tradeoffs,
        Self::Sampled,
        Self::Saturated,
        Self::Nothing,
        Self::NothingNoisy,
        Self::Forgetful,
        Self::Memorising,
        Self::Hard,
        Self::Jackpot,
        Self::Fresh,
        Self::NearlyPerfect,
    ];

    /// The families whose rules add up.
    pub const ADDING_UP: [Self; 7] = [
        Self::Additive,
        Self::Interference,
        Self::Forgetting,
        Self::FormatTrap,
        Self::Noisy,
        Self::NothingLearnable,
        Self::HeldOut,
    ];

    /// The name used in URLs and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Additive => "additive",
            Self::Interference => "interference",
            Self::Forgetting => "forgetting",
            Self::FormatTrap => "format_trap",
            Self::Noisy => "noisy",
            Self::NothingLearnable => "nothing_learnable",
            Self::HeldOut => "held_out",
            Self::Typical => "typical",
            Self::Niche => "niche",
            Self::Tradeoffs => "tradeoffs",
            Self::Sampled => "sampled",
            Self::Saturated => "saturated",
            Self::Nothing => "nothing",
            Self::NothingNoisy => "nothing_noisy",
            Self::Forgetful => "forgetful",
            Self::Memorising => "memorising",
            Self::Hard => "hard",
            Self::Jackpot => "jackpot",
            Self::Fresh => "fresh",
            Self::NearlyPerfect => "nearly_perfect",
        }
    }

    /// All families.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ADDING_UP.into_iter().chain(Self::CALIBRATED)
    }

    pub(super) fn nature(self) -> Nature {
        let usual = Nature::USUAL;
        if let Some(numbers) = Calibrated::of(self) {
            return Nature {
                rules: numbers.rules,
                commonest: numbers.commonest,
                rarer: numbers.rarer,
                broken_fence: 0.0,
                ..usual
            };
        }
        match self {
            Self::Additive => Nature {
                harm: 0.0,
                broaden: 0.0,
                conflicts: 0.0,
                clashing: 0.0,
                ..usual
            },
            Self::Interference => Nature {
                clash: 1.8,
                decoys: 1,
                decoy_frequency: 0.36,
                decoy_conflicts: 1.0,
                conflicts: 0.0,
                conflict: 2.8,
                salience: 0.8,
                forget: 0.02,
                ..usual
            },
            Self::Forgetting => Nature {
                forget: 0.16,
                ..usual
            },
            Self::FormatTrap => Nature {
                trap: 0.45,
                ..usual
            },
            Self::Noisy => Nature {
                resampled: 0.25,
                ..usual
            },
            Self::NothingLearnable => Nature {
                weight: 0.0,
                difficulty: -0.2,
                ..usual
            },
            Self::HeldOut => Nature {
                rules: 18,
                commonest: 0.12,
                rarer: 0.95,
                weight: 2.2,
                clashing: 0.25,
                conflicts: 0.04,
                conflict: 1.2,
                forget: 0.08,
                trap: 0.15,
                hit: 0.4,
                resampled: 0.05,
                ..usual
            },
            _ => usual,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Family {
    type Err = UnknownFamily;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let family = Self::all().find(|family| family.as_str() == name);
        family.ok_or_else(|| UnknownFamily(name.to_owned()))
    }
}

/// The numbers of a family. Abilities, weights and harms are in units of ability. The others are
/// probabilities unless their comment says otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nature {
    /// Hidden rules; at most 64.
    pub(super) rules: usize,
    /// Share of the items that need the commonest rule.
    pub(super) commonest: f64,
    /// The factor by which each further rule is rarer.
    pub(super) rarer: f64,
    /// The ability that a rule gives to an item that needs it.
    pub(super) weight: f64,
    /// Mean difficulty of an item that needs no rule.
    pub(super) difficulty: f64,
    /// Standard deviation of difficulties.
    pub(super) spread: f64,
    /// Mean discrimination.
    pub(super) discrimination: f64,
    /// A right answer without any ability.
    pub(super) chance: f64,
    /// Share of the rules that hurt one kind of items.
    pub(super) clashing: f64,
    /// How much such a rule hurts.
    pub(super) clash: f64,
    /// Number of decoys: common rules that help at first, hurt one kind of items, and later spoil
    /// other rules.
    pub(super) decoys: usize,
    /// Share of the items that need a decoy.
    pub(super) decoy_frequency: f64,
    /// A decoy spoils another rule.
    pub(super) decoy_conflicts: f64,
    /// Any other rule spoils another rule.
    pub(super) conflicts: f64,
    /// How much this costs items that need the spoilt rule.
    pub(super) conflict: f64,
    /// How much an over-general or made-up rule hurts one kind of items.
    pub(super) harm: f64,
    /// Cost of a thousand characters beyond the free ones.
    pub(super) length: f64,
    /// A right answer has the wrong form while the prompt contains the trap.
    pub(super) trap: f64,
    /// An answer is drawn anew when the prompt's wording changes.
    pub(super) reworded: f64,
    /// An answer is drawn anew with every call.
    pub(super) resampled: f64,
    /// The reflection model finds a missing rule in a failure.
    pub(super) hit: f64,
    /// It finds a missing decoy while the instruction has no rule yet.
    pub(super) salience: f64,
    /// It over-generalizes a missing rule.
    pub(super) broaden: f64,
    /// It makes up a rule.
    pub(super) hallucinate: f64,
    /// It notes the single case.
    pub(super) remark: f64,
    /// It loses an old line while rewriting.
    pub(super) forget: f64,
    /// Its reply has no complete block.
    pub(super) broken_fence: f64,
}

impl Nature {
    const USUAL: Self = Self {
        rules: 10,
        commonest: 0.18,
        rarer: 0.9,
        weight: 2.4,
        difficulty: -1.1,
        spread: 0.8,
        discrimination: 1.6,
        chance: 0.1,
        clashing: 0.15,
        clash: 1.0,
        decoys: 0,
        decoy_frequency: 0.0,
        decoy_conflicts: 0.0,
        conflicts: 0.01,
        conflict: 1.0,
        harm: 0.8,
        length: 0.15,
        trap: 0.0,
        reworded: 0.1,
        resampled: 0.0,
        hit: 0.4,
        salience: 0.0,
        broaden: 0.12,
        hallucinate: 0.15,
        remark: 0.12,
        forget: 0.04,
        broken_fence: 0.03,
    };
}

fn names() -> String {
    let all: Vec<&str> = Family::all().map(Family::as_str).collect();
    all.join(", ")
}
