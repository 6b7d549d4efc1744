//! Whether a prompt shows the model what it needs of an example, and nothing of the answer.

use gepa_evaluation::{ExampleId, PromptTemplate, is_plain_name, wildcards_named};
use gepa_tasks::dataset::{Dataset, Row};

use gepa_engine::{ExampleSets, Problem};

/// Rows named in one message at most.
const MOST_ROWS: usize = 5;

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
    let mut shows_something = false;
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
                shows_something = true;
                if let Some(text) = field_missing(&name, &rows) {
                    problems.push(Problem::new(key.as_str(), text));
                }
            }
        }
    }
    if renders && !shows_something && problems.len() == before && !prompt.messages.is_empty() {
        problems.push(Problem::new(
            "prompt.messages",
            shows_nothing(prompt, first),
        ));
    }
}

/// The rows of the three sets; all of them where the sets could not be formed.
fn rows_of<'d>(dataset: &'d Dataset, sets: &ExampleSets) -> Vec<(&'d ExampleId, &'d Row)> {
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
         example are labels. Write it without braces, or name every column that prompts may show in \
         `dataset.prompt_columns`"
    )
}

fn field_missing(name: &str, rows: &[(&ExampleId, &Row)]) -> Option<String> {
    let lacking: Vec<String> = rows
        .iter()
        .filter(|(_, row)| row.text(name).is_none())
        .map(|(id, row)| format!("`{id}` ({})", row.place()))
        .collect();
    let shown = lacking.get(..MOST_ROWS.min(lacking.len()))?.join(", ");
    let more = match lacking.len().saturating_sub(MOST_ROWS) {
        0 if lacking.is_empty() => return None,
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "has the wildcard {{{name}}}, which these rows have no value for: {shown}{more}; complete \
         them, or leave them out of the sets"
    ))
}

fn shows_nothing(prompt: &PromptTemplate, row: &Row) -> String {
    let columns = columns_shown(row);
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

fn columns_shown(row: &Row) -> Vec<&str> {
    row.columns()
        .filter(|name| row.may_be_shown(name))
        .collect()
}
