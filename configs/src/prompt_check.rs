//! Whether a prompt shows the model what it needs of an example, and nothing of the answer.

use std::sync::Arc;

use gepa_evaluation::{ExampleId, PromptTemplate, is_plain_name, wildcards_named};
use gepa_tasks::dataset::{Dataset, Row};
use indexmap::IndexMap;
use serde_json::Value;

use gepa_engine::{ExampleSets, Problem};

/// Rows named in one message at most.
const MOST_ROWS: usize = 5;

/// Characters without a picture that count as no white space.
const UNSEEN: [char; 5] = ['\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}'];

/// Refuses wildcards that show a label, wildcards of fixed messages that no column fills, rows that
/// lack a field the prompt shows, and a prompt that shows nothing. With `renders` unset another
/// program fills the prompt, and only its fixed messages are compared with the columns.
pub(crate) fn check_prompt(
    prompt: &PromptTemplate,
    dataset: &Dataset,
    sets: &ExampleSets,
    renders: bool,
    problems: &mut Vec<Problem>,
) {
    let Some((_, first)) = dataset.rows().first() else {
        return;
    };
    let rows = rows_of(dataset, sets);
    let is_column = |name: &str| rows.iter().any(|(_, row)| row.text(name).is_some());
    let before = problems.len();
    let mut shown: Vec<Arc<str>> = Vec::new();
    for (position, message) in prompt.messages.iter().enumerate() {
        let key = format!("prompt.messages[{position}].pattern");
        let names = wildcards_named(&message.pattern, |name| {
            is_plain_name(name) || is_column(name)
        });
        for name in names {
            if !is_column(&name) {
                if message.component.is_none() {
                    problems.push(Problem::new(key.as_str(), unknown_column(&name, first)));
                }
            } else if renders && !first.may_be_shown(&name) {
                problems.push(Problem::new(key.as_str(), label_shown(&name)));
            } else if renders {
                if let Some(text) = field_missing(&name, &rows) {
                    problems.push(Problem::new(key.as_str(), text));
                }
                if !shown.contains(&name) {
                    shown.push(name);
                }
            }
        }
    }
    if !renders || problems.len() > before || prompt.messages.is_empty() {
        return;
    }
    let text = if shown.is_empty() {
        Some(shows_nothing(prompt, first))
    } else {
        rows_without_content(&shown, &rows)
    };
    problems.extend(text.map(|text| Problem::new("prompt.messages", text)));
}

/// Refuses components that no message shows where messages are all that the model gets.
pub(crate) fn check_components(
    components: &IndexMap<String, String>,
    prompt: &PromptTemplate,
    problems: &mut Vec<Problem>,
) {
    let named = |name: &str| {
        let mut messages = prompt.messages.iter();
        messages.any(|message| message.component.as_deref() == Some(name))
    };
    for name in components.keys().filter(|name| !named(name)) {
        let text = format!(
            "is in no message, so no call would show it and its rewriting would be paid for nothing; give a \
             message of `[[prompt.messages]]` the key `component = \"{name}\"`, or remove it"
        );
        problems.push(Problem::new(format!("components.{name}"), text));
    }
}

/// Why wildcards of these texts of a candidate stay as they are written: its first text has not got them.
pub(crate) fn unfilled<'t>(
    prompt: &PromptTemplate,
    dataset: &Dataset,
    texts: impl Iterator<Item = (&'t str, &'t str)>,
) -> Vec<(String, String)> {
    let Some((_, first)) = dataset.rows().first() else {
        return Vec::new();
    };
    let columns = |text: &str| wildcards_named(text, |name| first.text(name).is_some());
    let mut found = Vec::new();
    for (component, text) in texts {
        let mut messages = prompt.messages.iter();
        let message = messages.find(|one| one.component.as_deref() == Some(component));
        let Some(message) = message else { continue };
        let known = columns(&message.pattern);
        let new = columns(text)
            .into_iter()
            .filter(|name| !known.contains(name));
        let new: Vec<String> = new.map(|name| format!("{{{name}}}")).collect();
        if !new.is_empty() {
            let text = format!(
                "has {}, which the text of `{component}` in the config has not got, so the model reads it as it \
                 is written; only wildcards of that text are filled",
                new.join(", ")
            );
            found.push((component.to_owned(), text));
        }
    }
    found
}

/// The rows of the three sets; all of them where the sets could not be formed.
pub(crate) fn rows_of<'d>(
    dataset: &'d Dataset,
    sets: &ExampleSets,
) -> Vec<(&'d ExampleId, &'d Row)> {
    let ids = sets
        .train
        .iter()
        .chain(&sets.pareto)
        .chain(&sets.validation);
    let used: Vec<_> = ids
        .filter_map(|id| dataset.rows().get_key_value(id))
        .collect();
    if used.is_empty() {
        return dataset.rows().iter().collect();
    }
    used
}

fn unknown_column(name: &str, row: &Row) -> String {
    format!(
        "has the wildcard {{{name}}}, but the dataset has no such column; it has: {}",
        columns_shown(row).join(", ")
    )
}

fn label_shown(name: &str) -> String {
    format!(
        "has the wildcard {{{name}}}, a column that prompts do not show: the answer and the id of an \
         example are labels, and `split.stratify_by` forms the sets. Write it without braces, or name every column that prompts may show in \
         `dataset.prompt_columns`"
    )
}

fn field_missing(name: &str, rows: &[(&ExampleId, &Row)]) -> Option<String> {
    let lacking = named(rows, |row| row.text(name).is_none())?;
    Some(format!(
        "has the wildcard {{{name}}}, which these rows have no value for: {lacking}; complete \
         them, or leave them out of the sets"
    ))
}

/// Rows whose shown fields are all empty: the model would be asked about nothing.
fn rows_without_content(shown: &[Arc<str>], rows: &[(&ExampleId, &Row)]) -> Option<String> {
    let empty = named(rows, |row| shown.iter().all(|name| is_empty(row, name)))?;
    let names: Vec<String> = shown.iter().map(|name| format!("{{{name}}}")).collect();
    let (names, are) = match names.as_slice() {
        [only] => (only.clone(), "is"),
        _ => (names.join(", "), "are"),
    };
    Some(format!(
        "show nothing of these rows, whose {names} {are} empty: {empty}; complete them, or leave them out of \
         the sets"
    ))
}

fn is_empty(row: &Row, name: &str) -> bool {
    let is_unseen = |c: char| c.is_whitespace() || c.is_control() || UNSEEN.contains(&c);
    match row.value(name) {
        None | Some(Value::Null) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(Value::String(text)) => text.chars().all(is_unseen),
        Some(_) => false,
    }
}

/// The rows that are meant, with their places; `None` without one.
fn named(rows: &[(&ExampleId, &Row)], is_meant: impl Fn(&Row) -> bool) -> Option<String> {
    let meant: Vec<String> = rows
        .iter()
        .filter(|(_, row)| is_meant(row))
        .map(|(id, row)| format!("`{id}` ({})", row.place()))
        .collect();
    let shown = meant.iter().take(MOST_ROWS).cloned().collect::<Vec<_>>();
    match meant.len().saturating_sub(MOST_ROWS) {
        0 if meant.is_empty() => None,
        0 => Some(shown.join(", ")),
        more => Some(format!("{} and {more} more", shown.join(", "))),
    }
}

fn shows_nothing(prompt: &PromptTemplate, row: &Row) -> String {
    let all = columns_shown(row);
    let (columns, unusable): (Vec<&str>, Vec<&str>) =
        all.into_iter().partition(|name| can_be_wildcard(name));
    let is_tried = |name: &&&str| {
        let form = format!("{{{name}}}");
        prompt.messages.iter().any(|m| m.pattern.contains(&form))
    };
    let tried = unusable.iter().find(is_tried);
    if let Some(name) = tried.or(unusable.first().filter(|_| columns.is_empty())) {
        return format!(
            "show nothing of the example; the column `{name}` cannot fill a wildcard, since a name in braces \
             is not empty, neither begins nor ends with white space, and has no brace and no line end: rename \
             the column in the data"
        );
    }
    let misspelt = columns.iter().find_map(|column| {
        let forms = [
            format!("{{ {column} }}"),
            format!("<{column}>"),
            format!("[{column}]"),
            format!("${column}"),
            format!("%{column}%"),
        ];
        let is_used = |form: &String| prompt.messages.iter().any(|m| m.pattern.contains(form));
        let form = forms.into_iter().find(is_used)?;
        Some(format!("; `{form}` is no wildcard, write `{{{column}}}`"))
    });
    let hint = misspelt.unwrap_or_else(|| {
        let names: Vec<String> = columns.iter().map(|name| format!("`{{{name}}}`")).collect();
        format!("; put in one of {}", names.join(", "))
    });
    format!("show nothing of the example, so every call would be the same{hint}")
}

fn can_be_wildcard(name: &str) -> bool {
    let pattern = format!("{{{name}}}");
    wildcards_named(&pattern, |found| found == name).len() == 1
}

fn columns_shown(row: &Row) -> Vec<&str> {
    row.columns()
        .filter(|name| row.may_be_shown(name))
        .collect()
}
