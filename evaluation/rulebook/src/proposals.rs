//! Proposes new conditions from the examples shown.

use super::condition::{Condition, finite};
use super::dice::Dice;
use super::grammar::read_prompt;
use super::inputs::Field;
use super::learner::{Shape, evidence_for};
use super::reflection_prompt::ShownExample;
use super::sheet::{Rule, Sheet};
use super::text_proposals::propose_for_texts;
use super::value_proposals::propose_for_value;
use super::writing::rule_sentence;

/// A value with more words than this is read as text.
const LONGEST_VALUE_WORDS: usize = 3;
/// The longest name of a field that gets rules, in bytes.
const LONGEST_NAME: usize = 60;
/// Adds conditions that the sheet does not have yet.
pub(super) fn propose_conditions(
    sheet: &mut Sheet,
    shape: &Shape,
    examples: &[ShownExample],
    dice: &mut Dice,
) {
    let (texts, values): (Vec<String>, Vec<String>) = field_names(examples)
        .into_iter()
        .filter(|name| name.len() <= LONGEST_NAME && !name.contains(['{', '}']))
        .partition(|name| is_text(name, examples));
    for name in &values {
        propose_for_value(sheet, shape, name, examples, dice);
    }
    propose_for_texts(sheet, shape, &texts, examples, dice);
}

/// Whether a field holds text rather than a value. One long value is enough.
fn is_text(name: &str, examples: &[ShownExample]) -> bool {
    examples
        .iter()
        .flat_map(|example| example.inputs.fields())
        .any(|field| field.name == name && !is_plain_value(field))
}

fn is_plain_value(field: &Field) -> bool {
    finite(&field.value).is_some() || field.words.len() <= LONGEST_VALUE_WORDS
}

fn field_names(examples: &[ShownExample]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for field in examples.iter().flat_map(|example| example.inputs.fields()) {
        if !names.contains(&field.name) {
            names.push(field.name.clone());
        }
    }
    names
}

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
