//! What paired scores with and without a part show.

use gepa_statistics::{Comparison, Direction, Estimate, Sequential};
use serde::Serialize;

/// When a part is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// The loss below which a part is not needed.
    pub(crate) margin: f64,
    pub(crate) confidence: f64,
    /// The width of the range of scores.
    pub(crate) width: f64,
}

/// What a part of a prompt does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Without it the prompt is worse.
    Earns,
    /// Without it the prompt is worse by less than the margin, or not at all.
    NotNeeded,
    /// Without it the prompt is better.
    Harms,
    /// The examples or the budget did not suffice.
    Undecided,
    /// It was not tried.
    Fixed,
}

impl Finding {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Earns => "earns",
            Self::NotNeeded => "not needed",
            Self::Harms => "harms",
            Self::Undecided => "undecided",
            Self::Fixed => "fixed",
        }
    }

    /// Whether the prompt can do without it.
    pub(crate) fn is_removable(self) -> bool {
        matches!(self, Self::NotNeeded | Self::Harms)
    }
}

impl Rule {
    /// What the differences (without minus with) of the examples so far show. The risk is shared between
    /// the looks after each block and the one when all examples were run.
    pub(crate) fn decide(
        &self,
        pairs: &[(f64, f64)],
        is_last: bool,
    ) -> (Finding, Option<Estimate>) {
        let half = 1.0 - (1.0 - self.confidence) / 2.0;
        let mut sequence = Sequential::new(self.width, half);
        for (with, without) in pairs {
            sequence.add(without - with);
        }
        let finding = match (sequence.shows(0.0), sequence.shows(-self.margin)) {
            (Some(Direction::Below), _) => Finding::Earns,
            (Some(Direction::Above), _) => Finding::Harms,
            (None, Some(Direction::Above)) => Finding::NotNeeded,
            (None, _) => Finding::Undecided,
        };
        if finding != Finding::Undecided || !is_last {
            return (finding, sequence.estimate());
        }
        let Some(found) = self.compare(pairs, half) else {
            return (Finding::Undecided, sequence.estimate());
        };
        let finding = if found.high < 0.0 {
            Finding::Earns
        } else if found.low > 0.0 {
            Finding::Harms
        } else if found.low > -self.margin {
            Finding::NotNeeded
        } else {
            Finding::Undecided
        };
        (finding, Some(found))
    }

    /// The difference on a fixed number of examples. Scores that never differ are taken as bits: their
    /// own spread of 0 would say that no other example can differ.
    pub(crate) fn compare(&self, pairs: &[(f64, f64)], confidence: f64) -> Option<Estimate> {
        if pairs.iter().any(|(with, without)| with != without) {
            return Comparison::of(pairs, confidence).map(|found| found.difference);
        }
        let equal = vec![(1.0, 1.0); pairs.len()];
        let mut found = Comparison::of(&equal, confidence)?.difference;
        found.low *= self.width;
        found.high *= self.width;
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        margin: 0.05,
        confidence: 0.95,
        width: 1.0,
    };

    fn decided(lost: usize, won: usize, equal: usize, is_last: bool) -> Finding {
        let mut pairs = vec![(1.0, 0.0); lost];
        pairs.extend(vec![(0.0, 1.0); won]);
        pairs.extend(vec![(1.0, 1.0); equal]);
        RULE.decide(&pairs, is_last).0
    }

    #[test]
    fn a_part_is_decided_by_what_its_examples_can_show() {
        assert_eq!(decided(12, 0, 20, false), Finding::Earns);
        assert_eq!(decided(0, 12, 20, false), Finding::Harms);
        assert_eq!(decided(0, 0, 160, false), Finding::NotNeeded);
        assert_eq!(decided(0, 0, 16, true), Finding::Undecided);
        assert_eq!(decided(2, 2, 30, true), Finding::Undecided);
        assert_eq!(decided(0, 0, 60, true), Finding::NotNeeded);
        assert_eq!(RULE.decide(&[], true).0, Finding::Undecided);
    }

    #[test]
    fn equal_graded_scores_do_not_prove_that_no_example_can_differ() {
        let few = vec![(0.4, 0.4); 5];
        assert_eq!(RULE.decide(&few, true).0, Finding::Undecided);
        let many = vec![(0.4, 0.4); 80];
        assert_eq!(RULE.decide(&many, true).0, Finding::NotNeeded);
    }

    /// A part whose removal costs exactly the margin is called not needed in few of many races.
    #[test]
    fn a_part_that_costs_the_margin_is_rarely_called_needless() {
        let mut state = 7_u64;
        let mut draw = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as f64 / f64::from(1_u32 << 31)
        };
        let races = 400;
        let mut wrong = 0;
        for _ in 0..races {
            let mut pairs = Vec::new();
            let mut finding = Finding::Undecided;
            for size in [16, 32, 64, 128] {
                while pairs.len() < size {
                    let one = draw();
                    let (lost, won) = (one < 0.10, (0.10..0.15).contains(&one));
                    pairs.push((f64::from(u8::from(!won)), f64::from(u8::from(!lost))));
                }
                finding = RULE.decide(&pairs, size == 128).0;
                if finding != Finding::Undecided {
                    break;
                }
            }
            wrong += u32::from(finding.is_removable());
        }
        assert!(wrong * 20 <= races, "{wrong} of {races}");
    }
}
