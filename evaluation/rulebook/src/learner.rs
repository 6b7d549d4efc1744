//! Improves a sheet from the examples of one reflection prompt. It keeps no memory: results of
//! earlier reflections are in the current instruction.

use indexmap::IndexMap;

use super::dice::Dice;
use super::grammar::{ReadPrompt, labels_named};
use super::proposals::propose_conditions;
use super::reflection_prompt::ShownExample;
use super::shape::Shape;
use super::sheet::{Decision, Rule, Sheet};

/// Points per unit of log odds.
const POINTS_PER_LOG_ODDS: f64 = 2.0;
/// Number of imagined cases that are added to the counted ones, with labels in their overall
/// shares.
const CAUTION: f64 = 2.0;
/// The most points one rule gives.
const MOST_POINTS: i32 = 6;

/// The sheet that replaces `current`; `seed_text` decides between equally good choices.
pub(super) fn rewrite(current: &ReadPrompt, examples: &[ShownExample], seed_text: &str) -> Sheet {
    let mut dice = Dice::of(seed_text);
    let mut sheet = current.sheet.clone();
    let labels = labels_in(current, examples);
    for example in examples {
        *sheet.reviewed.entry(example.right.clone()).or_default() += 1;
    }
    let shape = Shape::of(&sheet, &labels);
    shape.adopt(&mut sheet);
    count(&mut sheet.rules, examples);
    propose_conditions(&mut sheet, &shape, examples, &mut dice);
    weigh(&mut sheet, &shape);
    prune(&mut sheet, &shape);
    decide(&mut sheet, &shape);
    sheet
}

/// The labels of the task that the prompt and the examples name.
fn labels_in(current: &ReadPrompt, examples: &[ShownExample]) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    let mut add = |label: &str| {
        if !labels.iter().any(|known| known == label) {
            labels.push(label.to_owned());
        }
    };
    match &current.sheet.decision {
        Some(Decision::Threshold {
            positive,
            otherwise,
            ..
        }) => {
            add(positive);
            add(otherwise);
        }
        Some(Decision::MostPoints { otherwise }) => add(otherwise),
        None => {}
    }
    if current.sheet.decision.is_none() {
        for label in labels_named(&current.prose) {
            add(&label);
        }
    }
    for rule in &current.sheet.rules {
        rule.label.iter().for_each(|label| add(label));
    }
    for rule in &current.sheet.direct {
        add(&rule.answer);
    }
    for example in examples {
        add(&example.right);
    }
    labels
}

/// Adds the shown examples to the evidence of every rule whose condition they meet.
fn count(rules: &mut [Rule], examples: &[ShownExample]) {
    for rule in rules {
        let Some(evidence) = &mut rule.evidence else {
            continue;
        };
        for example in examples {
            if rule.condition.holds(&example.inputs) {
                evidence.cases = evidence.cases.saturating_add(1);
                if example.right == evidence.label {
                    evidence.right = evidence.right.saturating_add(1);
                }
            }
        }
    }
}

/// Sets the points of every rule with evidence from its log odds.
fn weigh(sheet: &mut Sheet, shape: &Shape) {
    let reviewed = sheet.reviewed.clone();
    for rule in &mut sheet.rules {
        let Some(evidence) = &rule.evidence else {
            continue;
        };
        let base = base_rate(&reviewed, &evidence.label);
        let right = f64::from(evidence.right) + CAUTION * base;
        let wrong = f64::from(evidence.cases - evidence.right) + CAUTION * (1.0 - base);
        let gain = match shape {
            Shape::Two { .. } => (right / wrong).ln() - (base / (1.0 - base)).ln(),
            Shape::Several => (right / (right + wrong)).ln() - base.ln(),
        };
        let points = (gain * POINTS_PER_LOG_ODDS).round() as i32;
        rule.points = points.clamp(-MOST_POINTS, MOST_POINTS);
        match shape {
            Shape::Two { positive, .. } if evidence.label != *positive => {
                rule.points = -rule.points;
            }
            Shape::Two { .. } => {}
            Shape::Several => {
                rule.label = Some(evidence.label.clone());
                rule.points = rule.points.max(0);
            }
        }
    }
}

/// The share of a label among the cases reviewed, kept away from 0 and 1.
pub(super) fn base_rate(reviewed: &IndexMap<String, u32>, label: &str) -> f64 {
    let total: u32 = reviewed.values().sum();
    let own = reviewed.get(label).copied().unwrap_or(0);
    let labels = reviewed.len().max(2) as f64;
    (f64::from(own) + 1.0) / (f64::from(total) + labels)
}

/// Limits the size of the sheet. Conditions that occur often and decide nothing are removed first.
fn prune(sheet: &mut Sheet, shape: &Shape) {
    let most = match shape {
        Shape::Two { .. } => 60,
        Shape::Several => 150,
    };
    sheet.rules.retain(|rule| {
        let cases = rule.evidence.as_ref().map_or(0, |evidence| evidence.cases);
        rule.points != 0 || cases < 8
    });
    if sheet.rules.len() <= most {
        return;
    }
    let mut worth: Vec<i64> = sheet.rules.iter().map(worth_of).collect();
    worth.sort_unstable_by(|one, other| other.cmp(one));
    let least = worth[most - 1];
    let mut kept = 0;
    sheet.rules.retain(|rule| {
        let keep = worth_of(rule) >= least && kept < most;
        kept += usize::from(keep);
        keep
    });
}

/// How much a rule is used: its points, times the cases it was seen in.
pub(super) fn worth_of(rule: &Rule) -> i64 {
    let cases = rule.evidence.as_ref().map_or(4, |evidence| evidence.cases);
    i64::from(rule.points.abs()) * i64::from(cases.min(20))
}

fn decide(sheet: &mut Sheet, shape: &Shape) {
    sheet.decision = Some(match shape {
        Shape::Two {
            positive,
            otherwise,
        } => {
            let base = base_rate(&sheet.reviewed, positive);
            let at = -(base / (1.0 - base)).ln() * POINTS_PER_LOG_ODDS;
            Decision::Threshold {
                positive: positive.clone(),
                at: at.round() as i32,
                otherwise: otherwise.clone(),
            }
        }
        Shape::Several => {
            let mut most: Option<(&String, u32)> = None;
            for (label, count) in &sheet.reviewed {
                if most.is_none_or(|(_, best)| *count > best) {
                    most = Some((label, *count));
                }
            }
            let otherwise = most.map_or_else(String::new, |(label, _)| label.clone());
            Decision::MostPoints { otherwise }
        }
    });
}
