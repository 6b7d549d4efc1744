//! Values of rows as parameters of statements, and back.

use std::borrow::Cow;

use bytes::BytesMut;
use gepa_engine::record::{Cell, CellReader, Column, ColumnError, ColumnKind, Stored};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// The type with which values of a column are sent.
pub(crate) fn sql_type(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Integer => "bigint",
        ColumnKind::Real => "double precision",
        ColumnKind::Text | ColumnKind::IntegerOrText => "text",
    }
}

/// A parameter of a statement: a value, or one value per row.
#[derive(Clone, Debug)]
pub(crate) enum Parameter {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Integers(Vec<Option<i64>>),
    Reals(Vec<Option<f64>>),
    Texts(Vec<Option<String>>),
}

impl Parameter {
    /// The type with which the parameter is sent.
    pub(crate) fn sql_type(&self) -> Type {
        match self {
            Self::Null => Type::UNKNOWN,
            Self::Integer(_) => Type::INT8,
            Self::Real(_) => Type::FLOAT8,
            Self::Text(_) => Type::TEXT,
            Self::Integers(_) => Type::INT8_ARRAY,
            Self::Reals(_) => Type::FLOAT8_ARRAY,
            Self::Texts(_) => Type::TEXT_ARRAY,
        }
    }

    /// An empty list of values of a column.
    pub(crate) fn list_of(kind: ColumnKind) -> Self {
        match kind {
            ColumnKind::Integer => Self::Integers(Vec::new()),
            ColumnKind::Real => Self::Reals(Vec::new()),
            ColumnKind::Text | ColumnKind::IntegerOrText => Self::Texts(Vec::new()),
        }
    }

    /// Appends a cell to a list.
    pub(crate) fn push(&mut self, kind: ColumnKind, cell: Cell<'_>) -> Result<(), ColumnError> {
        match (self, cell) {
            (Self::Integers(list), Cell::Integer(value)) => list.push(Some(value)),
            (Self::Integers(list), Cell::Null) => list.push(None),
            (Self::Reals(list), Cell::Real(value)) => list.push(Some(value)),
            (Self::Reals(list), Cell::Null) => list.push(None),
            (Self::Texts(list), Cell::Null) => list.push(None),
            (Self::Texts(list), cell) => list.push(Some(text_of(kind, cell)?)),
            (_, cell) => return Err(ColumnError(format!("{cell:?} is of another type"))),
        }
        Ok(())
    }
}

impl From<Cell<'_>> for Parameter {
    fn from(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Integer(value) => Self::Integer(value),
            Cell::Real(value) => Self::Real(value),
            Cell::Text(text) => Self::Text(escaped(text).into_owned()),
        }
    }
}

impl ToSql for Parameter {
    fn to_sql(
        &self,
        sql_type: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(value) => value.to_sql(sql_type, out),
            Self::Real(value) => value.to_sql(sql_type, out),
            Self::Text(value) => value.to_sql(sql_type, out),
            Self::Integers(list) => list.to_sql(sql_type, out),
            Self::Reals(list) => list.to_sql(sql_type, out),
            Self::Texts(list) => list.to_sql(sql_type, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A column of integers and texts holds the texts as JSON strings.
fn text_of(kind: ColumnKind, cell: Cell<'_>) -> Result<String, ColumnError> {
    match (kind, cell) {
        (ColumnKind::IntegerOrText, Cell::Integer(number)) => Ok(number.to_string()),
        (ColumnKind::IntegerOrText, Cell::Text(name)) => {
            serde_json::to_string(&name).map_err(|error| ColumnError(error.to_string()))
        }
        (ColumnKind::Text, Cell::Text(text)) => Ok(escaped(text).into_owned()),
        (_, cell) => Err(ColumnError(format!("{cell:?} is of another type"))),
    }
}

/// Marks what stands for U+0000 and for the mark itself.
const MARK: char = '\u{1}';

/// A text without U+0000, which PostgreSQL cannot hold. Nearly every text stays as it is.
pub(crate) fn escaped(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains(['\0', MARK]) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => escaped.extend([MARK, '0']),
            MARK => escaped.extend([MARK, '1']),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

/// The text that was [`escaped`].
pub(crate) fn unescaped(stored: &str) -> Result<Cow<'_, str>, ColumnError> {
    if !stored.contains(MARK) {
        return Ok(Cow::Borrowed(stored));
    }
    let mut text = String::with_capacity(stored.len());
    let mut characters = stored.chars();
    while let Some(character) = characters.next() {
        if character != MARK {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('0') => text.push('\0'),
            Some('1') => text.push(MARK),
            _ => {
                return Err(ColumnError(
                    "U+0001 with neither `0` nor `1` behind it".to_owned(),
                ));
            }
        }
    }
    Ok(Cow::Owned(text))
}

/// Reads the columns of a row from left to right.
pub(crate) struct Columns<'r> {
    row: &'r Row,
    kinds: &'r [ColumnKind],
    next: usize,
}

impl<'r> Columns<'r> {
    /// A reader of `row` from the column `first`; `kinds` are the types of the columns from there.
    pub(crate) fn new(row: &'r Row, kinds: &'r [ColumnKind]) -> Self {
        Self {
            row,
            kinds,
            next: 0,
        }
    }

    /// The row as one of its table. The error names the column.
    pub(crate) fn row<R: Stored>(&mut self) -> Result<R, String> {
        R::read(self).map_err(|error| self.bad(&error))
    }

    /// The next field.
    pub(crate) fn get<T: Column>(&mut self) -> Result<T, String> {
        T::read(self).map_err(|error| self.bad(&error))
    }

    fn bad(&self, ColumnError(detail): &ColumnError) -> String {
        let columns = self.row.columns();
        let name = columns.get(self.next.saturating_sub(1));
        let name = name.map_or("?", |column| column.name());
        format!("column `{name}`: {detail}")
    }

    fn value<'a, T: FromSql<'a>>(&'a self, column: usize) -> Result<Option<T>, ColumnError> {
        let read = self.row.try_get(column);
        read.map_err(|error| ColumnError(crate::address::Causes(&error).to_string()))
    }
}

impl CellReader for Columns<'_> {
    fn next(&mut self) -> Result<Cell<'_>, ColumnError> {
        let column = self.next;
        self.next += 1;
        let Some(kind) = self.kinds.get(column).copied() else {
            return Err(ColumnError("there is no such column".to_owned()));
        };
        Ok(match kind {
            ColumnKind::Integer => self.value(column)?.map_or(Cell::Null, Cell::Integer),
            ColumnKind::Real => self.value(column)?.map_or(Cell::Null, Cell::Real),
            ColumnKind::Text => match self.value::<&str>(column)? {
                Some(text) => Cell::Text(unescaped(text)?),
                None => Cell::Null,
            },
            ColumnKind::IntegerOrText => match self.value::<&str>(column)? {
                None => Cell::Null,
                Some(stored) => match stored.parse() {
                    Ok(number) => Cell::Integer(number),
                    Err(_) => serde_json::from_str(stored)
                        .map(|name: String| Cell::Text(Cow::Owned(name)))
                        .map_err(|error| ColumnError(error.to_string()))?,
                },
            },
        })
    }

    fn is_null(&mut self) -> bool {
        // A value of another type is an error of `next`, not a null.
        let column = self.next;
        match self.kinds.get(column).copied() {
            Some(ColumnKind::Integer) => matches!(self.value::<i64>(column), Ok(None)),
            Some(ColumnKind::Real) => matches!(self.value::<f64>(column), Ok(None)),
            Some(_) => matches!(self.value::<&str>(column), Ok(None)),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_stored_without_u0000_and_read_back() {
        for text in [
            "",
            "plain",
            "\0",
            "a\0b\u{1}c",
            "\u{1}0",
            "\u{1}\u{1}",
            "é\0",
        ] {
            let stored = escaped(Cow::Borrowed(text));
            assert!(!stored.contains('\0'));
            assert_eq!(unescaped(&stored), Ok(Cow::Borrowed(text)));
        }
        assert!(unescaped("a\u{1}").is_err());
        assert!(unescaped("\u{1}2").is_err());
    }
}
