//! Whether a prompt shows the expected answer through another column.

use std::sync::Arc;

use gepa_engine::{ExampleSets, Problem};
use gepa_evaluation::{PromptTemplate, wildcards_named};
use gepa_tasks::dataset::{Dataset, DatasetSettings, Row};

use crate::prompt_check::rows_of;

/// A column counts as a copy of the answer if it equals the answer in this share of the rows. Tasks whose
/// answer is often the input itself, such as corrections, stay below it.
const NEARLY_ALL: f64 = 0.95;

/// Notes on columns that the prompt shows and that hold the expected answer in all rows or nearly all.
pub(crate) fn notes_on_labels(
    prompt: &PromptTemplate,
    dataset: &Dataset,
    settings: &DatasetSettings,
    sets: &ExampleSets,
) -> Vec<Problem> {
    let rows = rows_of(dataset, sets);
    // The answer column is shown only where the settings name it, so that is meant.
    let mut seen: Vec<Arc<str>> = vec![settings.answer.as_deref().unwrap_or("answer").into()];
    let mut notes = Vec::new();
    for (position, message) in prompt.messages.iter().enumerate() {
        let is_shown = |name: &str| {
            let mut rows = rows.iter();
            rows.any(|(_, row)| row.prompt_text(name).is_some())
        };
        for name in wildcards_named(&message.pattern, is_shown) {
            if seen.contains(&name) {
                continue;
            }
            let pairs = rows.iter().filter_map(|(_, row)| both(row, &name));
            let (mut equal, mut compared) = (0_u32, 0_u32);
            for (text, answer) in pairs {
                let mapped = settings.answer_values.get(text).map(String::as_str);
                compared += 1;
                equal += u32::from(is_same(text, answer) || mapped == Some(answer));
            }
            if compared > 0 && f64::from(equal) >= NEARLY_ALL * f64::from(compared) {
                let key = format!("prompt.messages[{position}].pattern");
                notes.push(Problem::new(key, told(&name, equal, compared)));
            }
            seen.push(name);
        }
    }
    notes
}

fn told(name: &str, equal: u32, compared: u32) -> String {
    format!(
        "shows the column `{name}`, which is the expected answer in {equal} of {compared} rows, so the model reads \
         the answer; take {{{name}}} out of the message if it is a label"
    )
}

/// The text of a column and the expected answer, where the row has both.
fn both<'r>(row: &'r Row, column: &str) -> Option<(&'r str, &'r str)> {
    let (text, answer) = (row.prompt_text(column)?.trim(), row.answer()?.trim());
    (!answer.is_empty()).then_some((text, answer))
}

fn is_same(text: &str, answer: &str) -> bool {
    text == answer || text.to_lowercase() == answer.to_lowercase()
}
