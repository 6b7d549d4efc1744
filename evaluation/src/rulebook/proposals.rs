//! New conditions worth counting, taken from the examples shown.

use super::condition::{Condition, finite, is_long_number};
use super::dice::Dice;
use super::grammar::read_prompt;
use super::inputs::Field;
use super::learner::{Shape, evidence_for};
use super::reflection_prompt::ShownExample;
use super::sheet::{Rule, Sheet};
use super::writing::rule_sentence;

/// A value longer than this, or of more words, is read as text.
const LONGEST_VALUE_WORDS: usize = 3;
/// The longest name of a field worth a rule, in bytes.
const LONGEST_NAME: usize = 60;
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
    let (texts, values): (Vec<String>, Vec<String>) = field_names(examples)
        .into_iter()
        .filter(|name| name.len() <= LONGEST_NAME && !name.contains(['{', '}']))
        .partition(|name| is_text(name, examples));
    for name in &values {
        propose_for_value(sheet, shape, name, examples, dice);
    }
    propose_for_texts(sheet, shape, &texts, examples, dice);
}

/// Whether a field holds text rather than a value: one long enough occurrence tells.
fn is_text(name: &str, examples: &[ShownExample]) -> bool {
    examples
        .iter()
        .flat_map(|example| example.inputs.fields())
        .any(|field| field.name == name && !is_plain_value(field))
}

fn is_plain_value(field: &Field) -> bool {
    finite(&field.value).is_some() || field.words.len() <= LONGEST_VALUE_WORDS
}

fn propose_for_value(
    sheet: &mut Sheet,
    shape: &Shape,
    name: &str,
    examples: &[ShownExample],
    dice: &mut Dice,
) {
    let mut values: Vec<&str> = Vec::new();
    for value in examples
        .iter()
        .filter_map(|example| example.inputs.value(name))
    {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values.retain(|value| !value.is_empty());
    let numbers: Vec<f64> = values.iter().filter_map(|value| finite(value)).collect();
    let are_codes = numbers
        .iter()
        .all(|number| number.fract() == 0.0 && (0.0..10.0).contains(number));
    if numbers.len() == values.len() && !are_codes {
        propose_threshold(sheet, shape, name, numbers, examples, dice);
        return;
    }
    for value in values {
        // A brace would be taken for a wildcard when the prompt is rendered.
        if !value.contains(['{', '}', '\n']) {
            let condition = Condition::Is {
                field: name.to_owned(),
                value: value.to_owned(),
            };
            add(sheet, shape, &condition, examples);
        }
    }
}

/// A cut of a number field, both sides counted; a field has one cut at a time.
fn propose_threshold(
    sheet: &mut Sheet,
    shape: &Shape,
    name: &str,
    mut numbers: Vec<f64>,
    examples: &[ShownExample],
    dice: &mut Dice,
) {
    let has_cut = sheet
        .rules
        .iter()
        .any(|rule| matches!(&rule.condition, Condition::AtLeast { field, .. } if field == name));
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.dedup();
    if has_cut || numbers.len() < 2 {
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
        &Condition::AtLeast {
            field: field.clone(),
            number,
        },
        examples,
    );
    add(sheet, shape, &Condition::Below { field, number }, examples);
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

fn propose_for_texts(
    sheet: &mut Sheet,
    shape: &Shape,
    texts: &[String],
    examples: &[ShownExample],
    dice: &mut Dice,
) {
    let answers: Vec<bool> = examples
        .iter()
        .map(|example| sheet.answer(&example.inputs).as_deref() == Some(&example.right))
        .collect();
    for (example, answered) in examples.iter().zip(answers) {
        let mut ranked: Vec<(f64, Condition)> = Vec::new();
        for field in example.inputs.fields() {
            if !texts.contains(&field.name) {
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
        let wanted = if answered { 1 } else { 3 };
        let mut chosen: Vec<Condition> = Vec::new();
        for (_, condition) in ranked {
            if chosen.len() < wanted && !chosen.iter().any(|other| overlap(other, &condition)) {
                chosen.push(condition);
            }
        }
        for condition in chosen {
            add_for(sheet, shape, condition, &example.right, examples);
        }
    }
}

/// Whether two conditions look for a word in common: one of them is then enough to begin with.
fn overlap(one: &Condition, other: &Condition) -> bool {
    let words_of = |condition: &Condition| match condition {
        Condition::Contains { phrase, .. } | Condition::StartsWith { phrase, .. } => phrase.clone(),
        _ => Vec::new(),
    };
    let others = words_of(other);
    words_of(one).iter().any(|word| others.contains(word))
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

fn add(sheet: &mut Sheet, shape: &Shape, condition: &Condition, examples: &[ShownExample]) {
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

/// Whether the grammar understands the rule as it is meant: names and values are not ours, and may
/// hold anything.
fn reads_back(rule: &Rule) -> bool {
    let read = read_prompt(&rule_sentence(rule)).sheet.rules;
    matches!(&read[..], [same] if same.condition == rule.condition && same.evidence == rule.evidence)
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
