//! Rows in the form of exports and the HTTP API: named values in a fixed order. The columns of a
//! row type are listed in the file of the row.

use serde_json::{Map, Value, json};

use crate::event::Event;
use crate::ids::RunId;

/// The name of a column, and its value in a row. `C` holds what else the value depends on.
pub type ExportColumn<C, T> = (&'static str, fn(&C, &T) -> Value);

/// The columns of an exported event.
pub const EVENT_EXPORT: &[ExportColumn<RunId, Event>] = &[
    ("run_id", |run, _| json!(run)),
    ("seq", |_, event| json!(event.seq)),
    ("at", |_, event| json!(event.at.to_string())),
    ("kind", |_, event| json!(event.body.kind())),
    ("body", |_, event| json!(event.body)),
];

/// The names of the columns.
pub fn names<C, T>(columns: &[ExportColumn<C, T>]) -> Vec<&'static str> {
    columns.iter().map(|(name, _)| *name).collect()
}

/// A row's values, in the order of the columns.
pub fn values<C, T>(columns: &[ExportColumn<C, T>], context: &C, row: &T) -> Vec<Value> {
    let values = columns.iter().map(|(_, value)| value(context, row));
    values.collect()
}

/// A row as one object.
pub fn object<C, T>(columns: &[ExportColumn<C, T>], context: &C, row: &T) -> Map<String, Value> {
    let named = columns.iter();
    named
        .map(|(name, value)| ((*name).to_owned(), value(context, row)))
        .collect()
}
