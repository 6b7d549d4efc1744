//! The numbers of the families that are calibrated to recorded runs. They were frozen before any
//! search was tried on them.

use super::family::Family;

/// The numbers of a calibrated family. Effects are in standard deviations of a probit model: an
/// item is answered rightly if its ease, the effects of the prompt's lessons, the luck of the
/// wording on this item and the luck of the call together exceed zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calibrated {
    /// Mean ease of an item that needs no rule.
    pub(super) ease: f64,
    /// Standard deviation of the ease.
    pub(super) spread: f64,
    /// Rules, each of which helps the items that need it.
    pub(super) rules: usize,
    /// Share of the items that need the commonest rule.
    pub(super) commonest: f64,
    /// The factor by which each further rule is rarer.
    pub(super) rarer: f64,
    /// Median worth of a rule for an item that needs it.
    pub(super) worth: f64,
    /// Share of the other items that a rule hurts.
    pub(super) victims: f64,
    /// How much it hurts them.
    pub(super) harm: f64,
    /// Strategies that help on average.
    pub(super) good: usize,
    /// Median mean effect of one.
    pub(super) good_effect: f64,
    /// Standard deviation of the logarithm of a strategy's mean effect.
    pub(super) effect_sigma: f64,
    /// Strategies that on average neither help nor hurt.
    pub(super) neutral: usize,
    /// Strategies that hurt on average.
    pub(super) bad: usize,
    /// Median mean effect of one.
    pub(super) bad_effect: f64,
    /// A text gets a strategy that ruins it.
    pub(super) ruin: f64,
    /// The mean effect of that strategy.
    pub(super) ruin_effect: f64,
    /// Standard deviation of a strategy's effect over items.
    pub(super) effect_spread: f64,
    /// How much a made-up rule hurts a quarter of the items.
    pub(super) habit_harm: f64,
    /// Standard deviation of the luck of a wording, which repeats and does not generalise.
    pub(super) wording_luck: f64,
    /// Standard deviation of the luck of a call.
    pub(super) call_luck: f64,
    /// The reflection model repeats itself: from the same parent it draws the same lesson from the
    /// same item, and the same strategy.
    pub(super) repeat: f64,
    /// It rewrites from scratch.
    pub(super) from_scratch: f64,
    /// A line is lost in a rewriting from scratch.
    pub(super) lost_from_scratch: f64,
    /// A line is lost in any other rewriting.
    pub(super) lost: f64,
    /// It finds a missing rule in a failure.
    pub(super) hit: f64,
    /// It notes the single case.
    pub(super) remark: f64,
    /// It makes up a rule.
    pub(super) made_up: f64,
    /// It adds a strategy.
    pub(super) strategy: f64,
    /// How much sooner it thinks of a good strategy than of any other.
    pub(super) obvious: f64,
    /// Lines of a prompt that cost nothing.
    pub(super) free_lines: f64,
}

impl Calibrated {
    const TYPICAL: Self = Self {
        ease: 0.35,
        spread: 1.0,
        rules: 14,
        commonest: 0.08,
        rarer: 0.92,
        worth: 0.7,
        victims: 0.08,
        harm: 0.4,
        good: 2,
        good_effect: 0.28,
        effect_sigma: 0.4,
        neutral: 4,
        bad: 3,
        bad_effect: -0.28,
        ruin: 0.03,
        ruin_effect: -1.2,
        effect_spread: 0.3,
        habit_harm: 0.4,
        wording_luck: 0.75,
        call_luck: 0.6,
        repeat: 0.7,
        from_scratch: 0.2,
        lost_from_scratch: 0.35,
        lost: 0.03,
        hit: 0.25,
        remark: 0.06,
        made_up: 0.2,
        strategy: 0.5,
        obvious: 15.0,
        free_lines: 8.0,
    };

    /// The numbers of a family; `None` for a family whose rules add up. Five of the families answer
    /// deterministically.
    pub(super) fn of(family: Family) -> Option<Self> {
        let typical = Self::TYPICAL;
        Some(match family {
            Family::Typical => typical,
            Family::Niche => Self {
                rules: 26,
                commonest: 0.07,
                rarer: 0.97,
                worth: 1.9,
                good: 1,
                good_effect: 0.2,
                strategy: 0.15,
                hit: 0.4,
                wording_luck: 0.35,
                call_luck: 0.0,
                remark: 0.1,
                free_lines: 16.0,
                ..typical
            },
            Family::Tradeoffs => Self {
                victims: 0.25,
                harm: 0.8,
                effect_spread: 0.7,
                worth: 1.5,
                ..typical
            },
            Family::Sampled => Self {
                wording_luck: 0.8,
                call_luck: 1.4,
                ..typical
            },
            Family::Saturated => Self {
                ease: 1.5,
                call_luck: 0.0,
                ..typical
            },
            Family::Nothing => Self {
                worth: 0.0,
                good_effect: 0.0,
                harm: 0.0,
                victims: 0.0,
                bad_effect: -0.2,
                ..typical
            },
            Family::NothingNoisy => Self {
                ease: 0.0,
                worth: 0.0,
                good_effect: 0.0,
                harm: 0.0,
                victims: 0.0,
                bad_effect: 0.0,
                effect_spread: 0.0,
                habit_harm: 0.0,
                wording_luck: 0.3,
                call_luck: 1.0,
                ..typical
            },
            Family::Forgetful => Self {
                from_scratch: 0.5,
                lost_from_scratch: 0.5,
                lost: 0.08,
                ..typical
            },
            Family::Memorising => Self {
                remark: 0.35,
                hit: 0.15,
                call_luck: 0.0,
                ..typical
            },
            Family::Hard => Self {
                ease: -0.9,
                hit: 0.2,
                call_luck: 0.0,
                ..typical
            },
            Family::Jackpot => Self {
                good: 4,
                good_effect: 0.12,
                effect_sigma: 1.3,
                strategy: 0.25,
                obvious: 2.0,
                hit: 0.12,
                ..typical
            },
            Family::Fresh => Self {
                repeat: 0.0,
                ..typical
            },
            Family::NearlyPerfect => Self {
                ease: 2.3,
                call_luck: 0.0,
                ..typical
            },
            _ => return None,
        })
    }
}
