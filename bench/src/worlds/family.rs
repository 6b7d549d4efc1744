//! Families of worlds: kinds of tasks, and their names.

use std::fmt;
use std::str::FromStr;

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

fn names() -> String {
    let all: Vec<&str> = Family::all().map(Family::as_str).collect();
    all.join(", ")
}
