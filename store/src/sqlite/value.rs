//! Values as columns hold them, and back.

use std::fmt::Display;

use gepa_archive::ContentId;
use gepa_engine::{EventBody, RunId, Seq, SnapshotTag, Timestamp};
use gepa_evaluation::{ExampleId, FailureKind, MicroUsd, Usage};
use rusqlite::Row;
use rusqlite::types::{FromSql, ToSqlOutput, Value, ValueRef};
use serde::de::value::{Error as WordError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Serialize};

/// Why a row cannot be read.
#[derive(Debug)]
pub(super) enum RowError {
    Sqlite(rusqlite::Error),
    /// The column and what is wrong with it.
    Value(String),
}

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl RowError {
    /// The same error, about a row that can be named.
    pub(super) fn of(self, row: impl Display) -> Self {
        match self {
            Self::Value(detail) => Self::Value(format!("{row}, {detail}")),
            Self::Sqlite(error) => Self::Sqlite(error),
        }
    }
}

/// The number of a run in its database. With that of an event it makes the key of the tables that
/// have a row per event.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunNumber(pub(super) i64);

impl RunNumber {
    /// Events a run can have: at a million a second, a fortnight's worth.
    const EVENTS: i64 = 1 << 40;

    /// The key of a row of this run.
    pub(super) fn key(self, seq: Seq) -> i64 {
        self.first() + int(seq.0).min(Self::EVENTS - 1)
    }

    /// The key before all of this run's rows.
    pub(super) fn first(self) -> i64 {
        self.0.saturating_mul(Self::EVENTS)
    }

    /// The key after all of them.
    pub(super) fn end(self) -> i64 {
        self.first().saturating_add(Self::EVENTS)
    }
}

/// A count as SQLite has it; nothing that is counted reaches the limit.
pub(super) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// An integer, or a name. Integers above those of SQLite are kept as negative ones.
pub(super) fn example(id: &ExampleId) -> ToSqlOutput<'_> {
    match id {
        ExampleId::Seed(seed) => ToSqlOutput::Owned(Value::Integer(*seed as i64)),
        ExampleId::Name(name) => ToSqlOutput::Borrowed(ValueRef::Text(name.as_bytes())),
    }
}

/// JSON text.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// The name serde gives a variant without data.
pub(super) fn word<T: Serialize>(value: T) -> rusqlite::Result<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => Ok(name),
        Ok(other) => Err(rusqlite::Error::ToSqlConversionFailure(
            format!("{other} is not a name").into(),
        )),
        Err(error) => Err(rusqlite::Error::ToSqlConversionFailure(error.into())),
    }
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

    pub(super) fn get<T: FromSql>(&mut self) -> Result<T, RowError> {
        let column = self.advance();
        self.row
            .get(column)
            .map_err(|error| self.bad(column, &error))
    }

    pub(super) fn count(&mut self) -> Result<u64, RowError> {
        self.number()
    }

    /// An integer within the range of `T`.
    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Result<T, RowError> {
        let column = self.next;
        let stored: i64 = self.get()?;
        T::try_from(stored).map_err(|_| self.bad(column, &"out of range"))
    }

    pub(super) fn optional_number<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, RowError> {
        let column = self.next;
        let stored: Option<i64> = self.get()?;
        stored
            .map(T::try_from)
            .transpose()
            .map_err(|_| self.bad(column, &"out of range"))
    }

    pub(super) fn seq(&mut self) -> Result<Seq, RowError> {
        Ok(Seq(self.count()?))
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, RowError> {
        Ok(Timestamp(self.get()?))
    }

    pub(super) fn json<T: DeserializeOwned>(&mut self) -> Result<T, RowError> {
        let column = self.advance();
        let stored = self.text(column)?;
        serde_json::from_str(stored).map_err(|error| self.bad(column, &error))
    }

    /// What happened in an event.
    pub(super) fn event(&mut self) -> Result<EventBody, RowError> {
        let column = self.advance();
        let stored = self.text(column)?;
        EventBody::from_json(stored).map_err(|error| self.bad(column, &error))
    }

    pub(super) fn optional_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, RowError> {
        if self.is_null()? {
            return Ok(None);
        }
        self.json().map(Some)
    }

    /// A variant without data.
    pub(super) fn word<T: for<'de> Deserialize<'de>>(&mut self) -> Result<T, RowError> {
        let column = self.advance();
        let stored = self.text(column)?;
        let deserializer: StrDeserializer<'_, WordError> = stored.into_deserializer();
        T::deserialize(deserializer).map_err(|error| self.bad(column, &error))
    }

    pub(super) fn optional_word<T: for<'de> Deserialize<'de>>(
        &mut self,
    ) -> Result<Option<T>, RowError> {
        if self.is_null()? {
            return Ok(None);
        }
        self.word().map(Some)
    }

    pub(super) fn run_id(&mut self) -> Result<RunId, RowError> {
        let column = self.advance();
        let stored = self.text(column)?;
        stored.parse().map_err(|error| self.bad(column, &error))
    }

    pub(super) fn content_id(&mut self) -> Result<ContentId, RowError> {
        let column = self.advance();
        let stored = self.text(column)?;
        stored.parse().map_err(|error| self.bad(column, &error))
    }

    pub(super) fn example(&mut self) -> Result<ExampleId, RowError> {
        let column = self.advance();
        match self.row.get_ref(column)? {
            ValueRef::Integer(seed) => Ok(ExampleId::Seed(seed as u64)),
            ValueRef::Text(_) => Ok(ExampleId::from(self.text(column)?)),
            _ => Err(self.bad(column, &"neither an integer nor a name")),
        }
    }

    pub(super) fn tag(&mut self) -> Result<SnapshotTag, RowError> {
        let column = self.advance();
        let stored = self.text(column)?;
        [
            SnapshotTag::Seed,
            SnapshotTag::Improvement,
            SnapshotTag::Best,
            SnapshotTag::Final,
        ]
        .into_iter()
        .find(|tag| tag.as_str() == stored)
        .ok_or_else(|| self.bad(column, &"no such tag"))
    }

    /// The kind of failure; `None` for `scored`.
    pub(super) fn outcome(&mut self) -> Result<Option<FailureKind>, RowError> {
        if self.text(self.next)? == "scored" {
            self.next += 1;
            return Ok(None);
        }
        self.word().map(Some)
    }

    /// The seven columns of a usage.
    pub(super) fn usage(&mut self) -> Result<Usage, RowError> {
        Ok(Usage {
            calls: self.count()?,
            prompt_tokens: self.count()?,
            completion_tokens: self.count()?,
            cached_tokens: self.count()?,
            unknown_tokens: self.count()?,
            cost: MicroUsd(self.count()?),
            unpriced_calls: self.count()?,
        })
    }

    fn advance(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn is_null(&mut self) -> Result<bool, RowError> {
        let is_null = matches!(self.row.get_ref(self.next)?, ValueRef::Null);
        self.next += usize::from(is_null);
        Ok(is_null)
    }

    fn text(&self, column: usize) -> Result<&'row str, RowError> {
        self.row
            .get_ref(column)?
            .as_str()
            .map_err(|error| self.bad(column, &error))
    }

    fn bad(&self, column: usize, error: &dyn Display) -> RowError {
        let name = self.row.as_ref().column_name(column).unwrap_or("?");
        RowError::Value(format!("column `{name}`: {error}"))
    }
}
