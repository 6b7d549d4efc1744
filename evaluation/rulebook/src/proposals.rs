//! Proposes new conditions from the examples shown.

use super::condition::finite;
use super::dice::Dice;
use super::inputs::Field;
use super::reflection_prompt::ShownExample;
use super::shape::Shape;
use super::sheet::Sheet;
use super::text_proposals::propose_for_texts;
use super::value_proposals::propose_for_value;

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
