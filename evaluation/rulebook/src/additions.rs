//! Adds conditions to a sheet, each with the evidence of the shown examples.

use super::condition::Condition;
use super::grammar::read_prompt;
use super::reflection_prompt::ShownExample;
use super::shape::Shape;
use super::sheet::{Evidence, Rule, Sheet};
use super::writing::rule_sentence;

/// Adds a condition for every label that it may be evidence for.
pub(super) fn add(
    sheet: &mut Sheet,
    shape: &Shape,
    condition: &Condition,
    examples: &[ShownExample],
) {
    let labels: Vec<String> = match shape {
        Shape::Two { positive, .. } => vec![positive.clone()],
        Shape::Several => sheet.reviewed.keys().cloned().collect(),
    };
    for label in labels {
        if evidence_for(condition, &label, examples).right > 0 || matches!(shape, Shape::Two { .. })
        {
            add_for(sheet, shape, condition.clone(), &label, examples);
        }
    }
}

/// Adds a condition for one label, unless the sheet has it already.
pub(super) fn add_for(
    sheet: &mut Sheet,
    shape: &Shape,
    condition: Condition,
    label: &str,
    examples: &[ShownExample],
) {
    let counted = match shape {
        Shape::Two { positive, .. } => positive,
        Shape::Several => label,
    };
    if known(sheet, &condition, counted) {
        return;
    }
    let rule = Rule {
        evidence: Some(evidence_for(&condition, counted, examples)),
        condition,
        points: 0,
        label: None,
    };
    if reads_back(&rule) {
        sheet.rules.push(rule);
    }
}

/// Whether the written rule reads back as the same rule. Names and values come from data and may
/// contain any text.
fn reads_back(rule: &Rule) -> bool {
    let read = read_prompt(&rule_sentence(rule)).sheet.rules;
    matches!(&read[..], [same] if same.condition == rule.condition && same.evidence == rule.evidence)
}

pub(super) fn known(sheet: &Sheet, condition: &Condition, label: &str) -> bool {
    sheet.rules.iter().any(|rule| {
        rule.condition == *condition
            && rule
                .evidence
                .as_ref()
                .is_none_or(|evidence| evidence.label == label)
    })
}

/// Evidence for `label` from the shown examples alone.
pub(super) fn evidence_for(
    condition: &Condition,
    label: &str,
    examples: &[ShownExample],
) -> Evidence {
    let mut evidence = Evidence {
        label: label.to_owned(),
        right: 0,
        cases: 0,
    };
    for example in examples {
        if condition.holds(&example.inputs) {
            evidence.cases += 1;
            evidence.right += u32::from(example.right == label);
        }
    }
    evidence
}
