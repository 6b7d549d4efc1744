//! Converts the fields of a row to columns of a database and back. Each row type lists its columns
//! once, with [`columns!`]; a store makes its INSERT, its SELECT and its decoding from that list.

use std::borrow::Cow;
use std::fmt::Display;

use gepa_evaluation::Usage;
use serde::Serialize;
use serde::de::value::{Error as WordError, StrDeserializer};
use serde::de::{Deserialize, DeserializeOwned, IntoDeserializer};

/// One value of a row, in the types that every SQL database has.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// An integer.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// Text, or JSON as text.
    Text(Cow<'a, str>),
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Integers.
    Integer,
    /// Floating-point numbers.
    Real,
    /// Texts, or JSON as text.
    Text,
    /// Integers and texts.
    IntegerOrText,
}

/// Why a stored row cannot be read: the problem with the value that was read last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnError(pub String);

/// The values of a stored row, from left to right.
pub trait CellReader {
    /// The next value.
    ///
    /// # Errors
    ///
    /// There is no further value, or it has a type that [`Cell`] does not know.
    fn next(&mut self) -> Result<Cell<'_>, ColumnError>;

    /// Whether the next value is null. Does not consume it.
    fn is_null(&mut self) -> bool;
}

/// A field that is stored in one column or in several neighbouring ones.
pub trait Column: Sized {
    /// The type of each column.
    const KINDS: &'static [ColumnKind];

    /// Appends one value per column.
    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>);

    /// Reads as many values as [`write`](Self::write) appended.
    ///
    /// # Errors
    ///
    /// A value is missing, of another type, or out of range.
    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError>;
}

/// A row type with a table.
pub trait Stored: Sized {
    /// The table's name.
    const TABLE: &'static str;

    /// The names of the columns, in the order of [`write`](Self::write) and [`read`](Self::read).
    const COLUMNS: &'static [&'static str];

    /// The types of the columns, by field.
    const KINDS: &'static [&'static [ColumnKind]];

    /// The types of the columns, in the order of [`COLUMNS`](Self::COLUMNS).
    fn kinds() -> impl Iterator<Item = ColumnKind> {
        Self::KINDS.iter().copied().flatten().copied()
    }

    /// Appends one value per column.
    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>);

    /// Reads one value per column.
    ///
    /// # Errors
    ///
    /// A value is missing, of another type, or out of range.
    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError>;
}

/// Implements [`Stored`] for a row type. One line per field:
///
/// - `field: ["column", ...];` for a field whose type is a [`Column`];
/// - `field: ["column", ...] of COLUMN write WRITE, read READ;` where `COLUMN` is a type that is a
///   [`Column`], `WRITE` is a function from the row to its cells, and `READ` a function from a `COLUMN`
///   to the field. `READ` may use the fields listed above it;
/// - `field = { EXPRESSION };` for a field that has no column and follows from the fields above it.
///
/// A column that is added to a released row type is null in the rows of older stores, so its field must
/// be an `Option`. Stores add the column to their tables by themselves (see [`stored_columns`]).
///
/// [`stored_columns`]: crate::record::stored_columns
macro_rules! columns {
    ($row:ident in $table:literal {
        $(
            $field:ident $(= $derived:block)? $(: [$($name:literal),+])? $(of $column:ident write $write:path, read $read:expr)?;
        )*
    }) => {
        impl $crate::record::column::Stored for $row {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$($($($name,)+)?)*];
            const KINDS: &'static [&'static [$crate::record::column::ColumnKind]] = &[$(
                columns!(@kinds $row $field $([$($name)+])? $(of $column)? $(= $derived)?),
            )*];

            fn write<'a>(&'a self, cells: &mut Vec<$crate::record::column::Cell<'a>>) {
                $( columns!(@write self cells $field $([$($name)+])? $(by $write)? $(= $derived)?); )*
            }

            fn read(
                cells: &mut impl $crate::record::column::CellReader,
            ) -> Result<Self, $crate::record::column::ColumnError> {
                $( let $field = columns!(@read cells $([$($name)+])? $(by $read)? $(= $derived)?); )*
                Ok(Self { $($field),* })
            }
        }
    };
    (@kinds $row:ident $field:ident [$($name:literal)+]) => {
        $crate::record::column::kinds_of(|row: &$row| &row.$field)
    };
    (@kinds $row:ident $field:ident [$($name:literal)+] of $column:ident) => {
        <$column as $crate::record::column::Column>::KINDS
    };
    (@kinds $row:ident $field:ident = $derived:block) => { &[] };
    (@write $row:ident $cells:ident $field:ident [$($name:literal)+]) => {
        $crate::record::column::Column::write(&$row.$field, $cells)
    };
    (@write $row:ident $cells:ident $field:ident [$($name:literal)+] by $write:path) => {
        $cells.extend($write($row))
    };
    (@write $row:ident $cells:ident $field:ident = $derived:block) => {};
    (@read $cells:ident [$($name:literal)+]) => {
        $crate::record::column::Column::read($cells)?
    };
    (@read $cells:ident [$($name:literal)+] by $read:expr) => {
        ($read)($crate::record::column::Column::read($cells)?)
    };
    (@read $cells:ident = $derived:block) => { $derived };
}

pub(crate) use columns;

/// The types of the columns of the field that a function gives.
pub(super) const fn kinds_of<R, C: Column>(_: fn(&R) -> &C) -> &'static [ColumnKind] {
    C::KINDS
}

impl ColumnError {
    pub(super) fn new(error: impl Display) -> Self {
        Self(error.to_string())
    }
}

impl<'a> Cell<'a> {
    /// A count. Counts stay below the largest integer of a database.
    pub fn count(count: u64) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Text that outlives the cell.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// A value as JSON text; null for a value that has no JSON.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        serde_json::to_string(value).map_or(Self::Null, |text| Self::Text(Cow::Owned(text)))
    }

    /// The name serde gives a variant without data.
    pub fn word<T: Serialize>(variant: T) -> Self {
        match serde_json::to_value(variant) {
            Ok(serde_json::Value::String(name)) => Self::Text(Cow::Owned(name)),
            _ => Self::Null,
        }
    }

    pub(super) fn integer(self) -> Result<i64, ColumnError> {
        match self {
            Self::Integer(integer) => Ok(integer),
            _ => Err(ColumnError::new("not an integer")),
        }
    }

    pub(super) fn into_text(self) -> Result<Cow<'a, str>, ColumnError> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err(ColumnError::new("not a text")),
        }
    }

    pub(super) fn into_json<T: DeserializeOwned>(self) -> Result<T, ColumnError> {
        serde_json::from_str(&self.into_text()?).map_err(ColumnError::new)
    }

    pub(super) fn into_word<T: for<'de> Deserialize<'de>>(self) -> Result<T, ColumnError> {
        let text = self.into_text()?;
        let name: StrDeserializer<'_, WordError> = (*text).into_deserializer();
        T::deserialize(name).map_err(ColumnError::new)
    }
}

/// A missing field is null in all its columns. A field that exists is not null in its first column.
impl<T: Column> Column for Option<T> {
    const KINDS: &'static [ColumnKind] = T::KINDS;

    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        match self {
            Some(value) => value.write(cells),
            None => cells.extend(T::KINDS.iter().map(|_| Cell::Null)),
        }
    }

    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
        if !cells.is_null() {
            return T::read(cells).map(Some);
        }
        for _ in T::KINDS {
            cells.next()?;
        }
        Ok(None)
    }
}

/// A usage as seven counts.
pub fn usage_cells(usage: Usage) -> [Cell<'static>; 7] {
    [
        usage.calls,
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens,
        usage.unknown_tokens,
        usage.cost.0,
        usage.unpriced_calls,
    ]
    .map(Cell::count)
}
