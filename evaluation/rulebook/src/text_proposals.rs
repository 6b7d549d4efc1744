//! Proposes conditions on texts: words, pairs of words, beginnings, long numbers.

use super::additions::{add_for, evidence_for, known};
use super::condition::{Condition, is_long_number};
use super::dice::Dice;
use super::inputs::Field;
use super::reflection_prompt::ShownExample;
use super::shape::Shape;
use super::sheet::Sheet;

/// The longest word that gets a rule, in bytes.
const LONGEST_WORD: usize = 30;

/// How many words of a text are read for rules. Each of them is compared with every example.
const WORDS_READ: usize = 400;

/// Words that are frequent in English and decide nothing alone.
const COMMON_WORDS: [&str; 48] = [
    "a", "an", "the", "of", "to", "in", "on", "at", "by", "for", "with", "and", "or", "but", "is",
    "are", "was", "were", "be", "been", "am", "it", "its", "this", "that", "these", "those", "as",
    "if", "so", "do", "does", "did", "have", "has", "had", "i", "you", "he", "she", "we", "they",
    "my", "your", "me", "not", "from", "there",
];

/// Takes a few conditions from every example, and most from examples that were answered wrongly.
pub(super) fn propose_for_texts(
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

/// Whether two conditions look for a common word. Then one of them is enough at first.
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
    let words = &field.words[..field.words.len().min(WORDS_READ)];
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
