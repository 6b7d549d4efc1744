//! Rows in SQLite: statements made from the list of columns of a row type, and the values that are
//! written and read.

use std::borrow::Cow;
use std::fmt::Display;

use gepa_engine::record::{Cell, CellReader, Column, ColumnError, Stored};
use gepa_engine::{EventBody, Seq};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Row, Statement, ToSql, params_from_iter};

/// Why a row cannot be read.
#[derive(Debug)]
pub(super) enum RowError {
    Sqlite(rusqlite::Error),
    /// The column, and the problem with its value.
    Value(String),
}

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl RowError {
    /// The same error with the name of the row.
    pub(super) fn of(self, row: impl Display) -> Self {
        match self {
            Self::Value(detail) => Self::Value(format!("{row}, {detail}")),
            Self::Sqlite(error) => Self::Sqlite(error),
        }
    }
}

/// The number of a run in its database. Together with the number of an event it is the key of the
/// tables that have a row per event.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunNumber(pub(super) i64);

impl RunNumber {
    /// The largest number of events of a run. At a million events a second it lasts for about 12
    /// days.
    const EVENTS: i64 = 1 << 40;

    /// The key of a row of this run.
    pub(super) fn key(self, seq: Seq) -> i64 {
        self.first() + int(seq.0).min(Self::EVENTS - 1)
    }

    /// A key before all rows of this run.
    pub(super) fn first(self) -> i64 {
        self.0.saturating_mul(Self::EVENTS)
    }

    /// A key after all rows of this run.
    pub(super) fn end(self) -> i64 {
        self.first().saturating_add(Self::EVENTS)
    }
}

/// A count as an integer of SQLite. Counts stay below its limit.
pub(super) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A value as a parameter of a statement.
pub(super) struct Parameter<'a>(pub(super) Cell<'a>);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match &self.0 {
            Cell::Null => ValueRef::Null,
            Cell::Integer(integer) => ValueRef::Integer(*integer),
            Cell::Real(real) => ValueRef::Real(*real),
            Cell::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// The INSERT of a row type, whose columns come after `leading` ones.
pub(super) fn insert_sql<R: Stored>(leading: &[&str], columns: &[&str]) -> String {
    let names: Vec<&str> = leading.iter().chain(columns).copied().collect();
    let values: Vec<String> = (1..=names.len()).map(|place| format!("?{place}")).collect();
    format!(
        "INSERT INTO {} ({}) VALUES ({})",
        R::TABLE,
        names.join(", "),
        values.join(", ")
    )
}

/// The values of a row, after `leading` ones.
pub(super) fn cells<'a, R: Stored>(leading: &[i64], row: &'a R) -> Vec<Parameter<'a>> {
    let mut cells = Vec::with_capacity(leading.len() + R::COLUMNS.len());
    cells.extend(leading.iter().map(|value| Cell::Integer(*value)));
    row.write(&mut cells);
    cells.into_iter().map(Parameter).collect()
}

/// Executes a statement with values.
pub(super) fn execute(
    statement: &mut Statement<'_>,
    values: &[Parameter<'_>],
) -> rusqlite::Result<usize> {
    statement.execute(params_from_iter(values))
}

/// The SELECT of a row type, without a WHERE.
pub(super) fn select_sql<R: Stored>() -> String {
    format!("SELECT {} FROM {}", R::COLUMNS.join(", "), R::TABLE)
}

/// Reads a row from left to right.
pub(super) struct Columns<'row, 'stmt> {
    row: &'row Row<'stmt>,
    next: usize,
}

impl<'row, 'stmt> Columns<'row, 'stmt> {
    pub(super) fn new(row: &'row Row<'stmt>) -> Self {
        Self { row, next: 0 }
    }

    /// The next field.
    pub(super) fn get<T: Column>(&mut self) -> Result<T, RowError> {
        let read = T::read(self);
        read.map_err(|error| self.bad(&error.0))
    }

    /// The next column as an integer of SQLite.
    pub(super) fn integer(&mut self) -> Result<i64, RowError> {
        let column = self.next;
        self.next += 1;
        Ok(self.row.get(column)?)
    }

    /// Reads the remaining columns as one row of their table.
    pub(super) fn row<R: Stored>(&mut self) -> Result<R, RowError> {
        let read = R::read(self);
        read.map_err(|error| self.bad(&error.0))
    }

    /// What happened in an event.
    pub(super) fn event(&mut self) -> Result<EventBody, RowError> {
        let column = self.next;
        self.next += 1;
        let stored = self.row.get_ref(column)?.as_str();
        let stored = stored.map_err(|error| self.bad(&error))?;
        EventBody::from_json(stored).map_err(|error| self.bad(&error))
    }

    /// The problem with the column that was read last.
    fn bad(&self, error: &dyn Display) -> RowError {
        let column = self.next.saturating_sub(1);
        let name = self.row.as_ref().column_name(column).unwrap_or("?");
        RowError::Value(format!("column `{name}`: {error}"))
    }
}

impl CellReader for Columns<'_, '_> {
    fn next(&mut self) -> Result<Cell<'_>, ColumnError> {
        let column = self.next;
        self.next += 1;
        let wrong = |error: &dyn Display| ColumnError(error.to_string());
        match self.row.get_ref(column).map_err(|error| wrong(&error))? {
            ValueRef::Null => Ok(Cell::Null),
            ValueRef::Integer(integer) => Ok(Cell::Integer(integer)),
            ValueRef::Real(real) => Ok(Cell::Real(real)),
            ValueRef::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => Ok(Cell::Text(Cow::Borrowed(text))),
                Err(error) => Err(wrong(&error)),
            },
            ValueRef::Blob(_) => Err(wrong(&"neither a number nor a text")),
        }
    }

    fn is_null(&mut self) -> bool {
        matches!(self.row.get_ref(self.next), Ok(ValueRef::Null))
    }
}
