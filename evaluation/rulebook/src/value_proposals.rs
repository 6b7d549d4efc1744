//! Proposes conditions on values: a code, or a side of a cut.

use indexmap::IndexMap;

use super::additions::add;
use super::condition::{Condition, finite};
use super::dice::Dice;
use super::reflection_prompt::ShownExample;
use super::shape::Shape;
use super::sheet::Sheet;

/// Proposes every shown code of a field, or a cut between its numbers.
pub(super) fn propose_for_value(
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
        // When the prompt is rendered, a brace would be read as a wildcard.
        if !value.contains(['{', '}', '\n']) {
            let condition = Condition::Is {
                field: name.to_owned(),
                value: value.to_owned(),
            };
            add(sheet, shape, &condition, examples);
        }
    }
}

/// Proposes a cut of a number field, with a condition for each side. A field has one cut at a time.
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

/// How many examples the cut gets right beyond half of them, if each side answers its commonest
/// label.
fn separation(name: &str, cut: f64, examples: &[ShownExample]) -> f64 {
    let mut sides: [IndexMap<&str, u32>; 2] = Default::default();
    for example in examples {
        if let Some(number) = example.inputs.value(name).and_then(finite) {
            let side = usize::from(number >= cut);
            *sides[side].entry(&example.right).or_default() += 1;
        }
    }
    let majority = |side: &IndexMap<&str, u32>| side.values().copied().max().unwrap_or(0);
    f64::from(majority(&sides[0]) + majority(&sides[1]))
}

/// A number between two others with as few digits as possible.
fn readable_between(low: f64, high: f64) -> f64 {
    let middle = f64::midpoint(low, high);
    for step in [100.0, 50.0, 10.0, 5.0, 1.0, 0.5, 0.1, 0.05, 0.01] {
        let rounded = (middle / step).round() * step;
        // Rounds through text, so that 0.30000000000000004 becomes 0.3.
        let rounded = format!("{rounded:.2}").parse().unwrap_or(rounded);
        if rounded > low && rounded <= high {
            return rounded;
        }
    }
    high
}
