//! The two ways in which points become an answer, and how rules of one way become rules of the other.

use super::sheet::{Decision, Rule, Sheet};

/// Whether one sum decides between two labels, or one sum per label decides between several.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Two { positive: String, otherwise: String },
    Several,
}

impl Shape {
    pub(super) fn of(sheet: &Sheet, labels: &[String]) -> Self {
        if let Some(Decision::Threshold {
            positive,
            otherwise,
            ..
        }) = &sheet.decision
            && labels.len() <= 2
        {
            return Self::Two {
                positive: positive.clone(),
                otherwise: otherwise.clone(),
            };
        }
        match labels {
            [positive, otherwise] if sheet.decision.is_none() => Self::Two {
                positive: positive.clone(),
                otherwise: otherwise.clone(),
            },
            _ => Self::Several,
        }
    }

    /// Converts rules of the other shape into this one.
    pub(super) fn adopt(&self, sheet: &mut Sheet) {
        let old = sheet.decision.clone();
        match (self, old) {
            (
                Self::Several,
                Some(Decision::Threshold {
                    positive,
                    otherwise,
                    ..
                }),
            ) => {
                for rule in &mut sheet.rules {
                    let label = if rule.points < 0 {
                        &otherwise
                    } else {
                        &positive
                    };
                    rule.label.get_or_insert_with(|| label.clone());
                    rule.points = rule.points.abs();
                }
                sheet.decision = Some(Decision::MostPoints { otherwise });
            }
            (Self::Two { positive, .. }, _) => {
                for rule in &mut sheet.rules {
                    let against = rule.label.take().is_some_and(|label| label != *positive);
                    if against {
                        rule.points = -rule.points;
                    }
                }
            }
            (Self::Several, _) => {}
        }
        let direct = std::mem::take(&mut sheet.direct);
        // A rule that decides alone cannot be outweighed. As points it can be corrected.
        sheet
            .rules
            .extend(direct.into_iter().map(|rule| match self {
                Self::Two { positive, .. } => Rule {
                    condition: rule.condition,
                    points: if rule.answer == *positive { 4 } else { -4 },
                    label: None,
                    evidence: None,
                },
                Self::Several => Rule {
                    condition: rule.condition,
                    points: 4,
                    label: Some(rule.answer),
                    evidence: None,
                },
            }));
    }
}
