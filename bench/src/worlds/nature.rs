//! The numbers in which the tasks of different families differ.

use super::calibrated::Calibrated;
use super::family::Family;

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

impl Family {
    /// The numbers of this family.
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
