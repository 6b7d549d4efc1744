//! New conditions worth counting, taken from the examples shown.

use super::condition::{Condition, finite, is_long_number};
use super::dice::Dice;
use super::inputs::Field;
use super::learner::{Shape, evidence_for};
use super::reflection_prompt::ShownExample;
use super::sheet::{Rule, Sheet};

/// A value longer than this, or of more words, is read as text.
const LONGEST_VALUE_WORDS: usize = 3;
/// The longest word worth a rule, in bytes.
const LONGEST_WORD: usize = 30;

/// Words that occur everywhere in English and decide nothing alone.
const COMMON_WORDS: [&str; 48] = [
    "a", "an", "the", "of", "to", "in", "on", "at", "by", "for", "with", "and", "or", "but", "is",
    "are", "was", "were", "be", "been", "am", "it", "its", "this", "that", "these", "those", "as",
    "if", "so", "do", "does", "did", "have", "has", "had", "i", "you", "he", "she", "we", "they",
    "my", "your", "me", "not", "from", "there",
];

/// Adds conditions the sheet does not have yet.
pub(super) fn propose_conditions(
    sheet: &mut Sheet,
    shape: &Shape,
    examples: &[ShownExample],
    dice: &mut Dice,
) {
    let tabular = examples
        .iter()
        .all(|example| example.inputs.fields().iter().all(is_plain_value));
    if tabular {
        propose_for_fields(sheet, shape, examples, dice);
    }
    propose_for_texts(sheet, shape, examples, dice);
}

fn is_plain_value(field: &Field) -> bool {
    finite(&field.value).is_some() || field.words.len() <= LONGEST_VALUE_WORDS
}

fn propose_for_fields(
    sheet: &mut Sheet,
    shape: &Shape,
    examples: &[ShownExample],
    dice: &mut Dice,
) {
    for name in field_names(examples) {
        let mut numbers: Vec<f64> = Vec::new();
        let mut values: Vec<&str> = Vec::new();
        for example in examples {
            let Some(value) = example.inputs.value(&name) else {
                continue;
            };
            if let Some(number) = finite(value) {
                numbers.push(number);
            }
            if !values.contains(&value) {
                values.push(value);
            }
        }
        let all_numbers = values.iter().all(|value| finite(value).is_some());
        let codes = numbers
            .iter()
            .all(|number| number.fract() == 0.0 && (0.0..10.0).contains(number));
        if !all_numbers || codes {
            for value in &values {
                if !value.is_empty() && !value.contains(['"', '`', '{', '}', '\n']) {
                    let condition = Condition::Is {
                        field: name.clone(),
                        value: (*value).to_owned(),
                    };
                    add(sheet, shape, condition, examples);
                }
            }
        } else {
            propose_threshold(sheet, shape, &name, numbers, examples, dice);
        }
    }
}

/// A cut of a number field: both sides are counted. A field has at most two cuts at a time.
fn propose_threshold(
    sheet: &mut Sheet,
    shape: &Shape,
    name: &str,
    mut numbers: Vec<f64>,
    examples: &[ShownExample],
    dice: &mut Dice,
) {
    let cuts = sheet
        .rules
        .iter()
        .filter(|rule| matches!(&rule.condition, Condition::AtLeast { field, .. } if field == name))
        .count();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.dedup();
    if cuts >= 1 || numbers.len() < 2 {
        return;
    }
    let mut best: Option<(f64, f64)> = None;
    for pair in numbers.windows(2) {
        let cut = readable_between(pair[0], pair[1]);
        let gain = separation(name, cut, examples) + 0.5 * dice.unit();
        if best.is_none_or(|(known, _)| gain > known) {
            best = Some((gain, cut));
        }
    }
    let Some((_, number)) = best else {
        return;
    };
    let field = name.to_owned();
    add(
        sheet,
        shape,
        Condition::AtLeast {
            field: field.clone(),
            number,
        },
        examples,
    );
    add(sheet, shape, Condition::Below { field, number }, examples);
}

/// How many examples of the commonest label on each side a cut gets right, beyond half.
fn separation(name: &str, cut: f64, examples: &[ShownExample]) -> f64 {
    let mut sides: [indexmap::IndexMap<&str, u32>; 2] = Default::default();
    for example in examples {
        if let Some(number) = example.inputs.value(name).and_then(finite) {
            let side = usize::from(number >= cut);
            *sides[side].entry(&example.right).or_default() += 1;
        }
    }
    let majority = |side: &indexmap::IndexMap<&str, u32>| side.values().copied().max().unwrap_or(0);
    f64::from(majority(&sides[0]) + majority(&sides[1]))
}

/// A number between two others with as few digits as will do.
fn readable_between(low: f64, high: f64) -> f64 {
    let middle = f64::midpoint(low, high);
    for step in [100.0, 50.0, 10.0, 5.0, 1.0, 0.5, 0.1, 0.05, 0.01] {
        let rounded = (middle / step).round() * step;
        // Through text, so that 0.30000000000000004 is 0.3.
        let rounded = format!("{rounded:.2}").parse().unwrap_or(rounded);
        if rounded > low && rounded <= high {
            return rounded;
        }
    }
    high
}

fn propose_for_texts(sheet: &mut Sheet, shape: &Shape, examples: &[ShownExample], dice: &mut Dice) {
    let answers: Vec<bool> = examples
        .iter()
        .map(|example| sheet.answer(&example.inputs).as_deref() == Some(&example.right))
        .collect();
    for (example, answered) in examples.iter().zip(answers) {
        let mut ranked: Vec<(f64, Condition)> = Vec::new();
        for field in example.inputs.fields() {
            if is_plain_value(field) {
                continue;
            }
            for condition in text_conditions(field) {
                if known(sheet, &condition, &example.right) {
                    continue;
                }
                let evidence = evidence_for(&condition, &example.right, examples);
                let agreement =
                    f64::from(evidence.right) - 2.0 * f64::from(evidence.cases - evidence.right);
                let appeal = agreement + bonus(&condition) + 1.5 * dice.unit();
                ranked.push((appeal, condition));
            }
        }
        ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
        let wanted = if answered { 1 } else { 4 };
        for (_, condition) in ranked.into_iter().take(wanted) {
            add_for(sheet, shape, condition, &example.right, examples);
        }
    }
}

fn bonus(condition: &Condition) -> f64 {
    match condition {
        Condition::StartsWith { phrase, .. } => 1.0 + 0.3 * phrase.len() as f64,
        Condition::LongNumber { .. } => 1.5,
        Condition::Contains { phrase, .. } if phrase.len() == 1 => 0.5,
        _ => 0.0,
    }
}

fn text_conditions(field: &Field) -> Vec<Condition> {
    let words = &field.words;
    let name = || field.name.clone();
    let mut conditions = Vec::new();
    for length in 1..=2.min(words.len()) {
        conditions.push(Condition::StartsWith {
            field: name(),
            phrase: words[..length].to_vec(),
        });
    }
    for (at, word) in words.iter().enumerate() {
        if is_long_number(word, 5) {
            conditions.push(Condition::LongNumber {
                field: name(),
                digits: 5,
            });
            continue;
        }
        if is_telling(word) {
            conditions.push(Condition::Contains {
                field: name(),
                phrase: vec![word.clone()],
            });
        }
        if let Some(next) = words.get(at + 1)
            && (is_telling(word) || is_telling(next))
            && word.len() + next.len() <= LONGEST_WORD
        {
            conditions.push(Condition::Contains {
                field: name(),
                phrase: vec![word.clone(), next.clone()],
            });
        }
    }
    conditions
}

fn is_telling(word: &str) -> bool {
    word.len() <= LONGEST_WORD && !COMMON_WORDS.contains(&word)
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

fn add(sheet: &mut Sheet, shape: &Shape, condition: Condition, examples: &[ShownExample]) {
    let labels: Vec<String> = match shape {
        Shape::Two { positive, .. } => vec![positive.clone()],
        Shape::Several => sheet.reviewed.keys().cloned().collect(),
    };
    for label in labels {
        if evidence_for(&condition, &label, examples).right > 0
            || matches!(shape, Shape::Two { .. })
        {
            add_for(sheet, shape, condition.clone(), &label, examples);
        }
    }
}

fn add_for(
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
    sheet.rules.push(Rule {
        evidence: Some(evidence_for(&condition, counted, examples)),
        condition,
        points: 0,
        label: None,
    });
}

fn known(sheet: &Sheet, condition: &Condition, label: &str) -> bool {
    sheet.rules.iter().any(|rule| {
        rule.condition == *condition
            && rule
                .evidence
                .as_ref()
                .is_none_or(|evidence| evidence.label == label)
    })
}
