//! The rules of a prompt, and the answer that they give.

use indexmap::IndexMap;

use super::condition::Condition;
use super::inputs::Inputs;

/// All rules of a prompt.
#[derive(Clone, Debug, Default)]
pub(super) struct Sheet {
    /// `If .., answer ..`: the first rule that applies decides.
    pub(super) direct: Vec<DirectRule>,
    /// `Add .. points if ..`. A condition that is only counted has 0 points.
    pub(super) rules: Vec<Rule>,
    /// How points become an answer.
    pub(super) decision: Option<Decision>,
    /// How often each answer was right in the cases reviewed so far.
    pub(super) reviewed: IndexMap<String, u32>,
}

/// A rule that decides alone.
#[derive(Clone, Debug)]
pub(super) struct DirectRule {
    pub(super) condition: Condition,
    pub(super) answer: String,
}

/// A rule that gives points.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) condition: Condition,
    pub(super) points: i32,
    /// The label that gets the points; `None` if there is one sum for all.
    pub(super) label: Option<String>,
    pub(super) evidence: Option<Evidence>,
}

/// How often a label was right among the cases that meet a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Evidence {
    pub(super) label: String,
    pub(super) right: u32,
    pub(super) cases: u32,
}

/// How points become an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// One sum: the answer is `positive` from `at` points on.
    Threshold {
        positive: String,
        at: i32,
        otherwise: String,
    },
    /// One sum per label: the largest decides, and `otherwise` is the answer if no label has
    /// points.
    MostPoints { otherwise: String },
}

impl Sheet {
    pub(super) fn is_empty(&self) -> bool {
        self.direct.is_empty() && self.rules.is_empty() && self.decision.is_none()
    }

    /// The answer for a case; `None` if the sheet does not decide.
    pub(super) fn answer(&self, inputs: &Inputs) -> Option<String> {
        let direct = self.direct.iter().find(|rule| rule.condition.holds(inputs));
        if let Some(rule) = direct {
            return Some(rule.answer.clone());
        }
        match &self.decision {
            Some(Decision::Threshold {
                positive,
                at,
                otherwise,
            }) => {
                let reached = self.sum(inputs) >= *at;
                Some(if reached { positive } else { otherwise }.clone())
            }
            Some(Decision::MostPoints { otherwise }) => {
                Some(self.leader(inputs).unwrap_or_else(|| otherwise.clone()))
            }
            None => self.leader(inputs),
        }
    }

    /// The points of all rules that apply, for any label.
    pub(super) fn sum(&self, inputs: &Inputs) -> i32 {
        self.applying(inputs)
            .fold(0, |sum, rule| sum.saturating_add(rule.points))
    }

    /// The points of every label that has points, in the order of first mention.
    pub(super) fn tally(&self, inputs: &Inputs) -> IndexMap<&str, i32> {
        let mut tally: IndexMap<&str, i32> = IndexMap::new();
        for rule in self.applying(inputs) {
            if let Some(label) = &rule.label {
                let points = tally.entry(label).or_default();
                *points = points.saturating_add(rule.points);
            }
        }
        tally
    }

    fn leader(&self, inputs: &Inputs) -> Option<String> {
        let mut leader: Option<(&str, i32)> = None;
        for (label, points) in self.tally(inputs) {
            if points > 0 && leader.is_none_or(|(_, best)| points > best) {
                leader = Some((label, points));
            }
        }
        leader.map(|(label, _)| label.to_owned())
    }

    fn applying<'s>(&'s self, inputs: &Inputs) -> impl Iterator<Item = &'s Rule> {
        self.rules
            .iter()
            .filter(|rule| rule.points != 0 && rule.condition.holds(inputs))
    }
}
