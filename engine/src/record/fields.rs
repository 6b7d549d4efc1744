//! The types of fields that rows have, each with its columns.

use std::borrow::Cow;

use gepa_archive::{Candidate, CandidateIndex, ContentId, Origin};
use gepa_evaluation::{ExampleId, MicroUsd, Phase, PromptTemplate, Stage, Usage};
use indexmap::IndexMap;

use super::column::{Cell, CellReader, Column, ColumnError, ColumnKind, usage_cells};
use super::rows::{CandidateStatus, RunSummary};
use crate::counters::Counters;
use crate::event::{
    CloseReason, ReflectionFailure, ReflectionFailureKind, SnapshotTag, ValidationResult,
};
use crate::ids::{RunId, Seq, Timestamp, TrialKey};

macro_rules! integers {
    ($($type:ty: $get:expr, $make:expr;)*) => { $(
        impl Column for $type {
            const KINDS: &'static [ColumnKind] = &[ColumnKind::Integer];

            fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
                cells.push(Cell::count(u64::from(($get)(self))));
            }

            fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
                let stored = cells.next()?.integer()?;
                let number = stored.try_into().map_err(|_| ColumnError::new("out of range"))?;
                Ok(($make)(number))
            }
        }
    )* };
}

integers! {
    u32: |number: &u32| *number, |number: u32| number;
    u64: |number: &u64| *number, |number: u64| number;
    Seq: |seq: &Seq| seq.0, Seq;
    CandidateIndex: |index: &CandidateIndex| index.0, CandidateIndex;
    MicroUsd: |cost: &MicroUsd| cost.0, MicroUsd;
}

macro_rules! words {
    ($($type:ty: $name:expr;)*) => { $(
        impl Column for $type {
            const KINDS: &'static [ColumnKind] = &[ColumnKind::Text];

            fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
                cells.push(($name)(*self));
            }

            fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
                cells.next()?.into_word()
            }
        }
    )* };
}

words! {
    Phase: |phase: Phase| Cell::text(phase.as_str());
    Stage: |stage: Stage| Cell::text(stage.as_str());
    Origin: |origin: Origin| Cell::text(origin.as_str());
    CandidateStatus: |status: CandidateStatus| Cell::text(status.as_str());
    CloseReason: Cell::word;
    ReflectionFailureKind: Cell::word;
}

macro_rules! json {
    ($($type:ty),* $(,)?) => { $(
        impl Column for $type {
            const KINDS: &'static [ColumnKind] = &[ColumnKind::Text];

            fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
                cells.push(Cell::json(self));
            }

            fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
                cells.next()?.into_json()
            }
        }
    )* };
}

json! {
    serde_json::Value, PromptTemplate, RunSummary, Counters, Candidate, IndexMap<String, f64>,
    Vec<ExampleId>, Vec<CandidateIndex>, Vec<Option<f64>>, Vec<ValidationResult>,
}

impl Column for f64 {
    const KINDS: &'static [ColumnKind] = &[ColumnKind::Real];

    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.push(Cell::Real(*self));
    }

    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
        match cells.next()? {
            Cell::Real(number) => Ok(number),
            Cell::Integer(number) => Ok(number as Self),
            _ => Err(ColumnError::new("not a number")),
        }
    }
}

impl Column for bool {
    const KINDS: &'static [ColumnKind] = &[ColumnKind::Integer];

    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.push(Cell::Integer((*self).into()));
    }

    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
        Ok(cells.next()?.integer()? != 0)
    }
}

impl Column for String {
    const KINDS: &'static [ColumnKind] = &[ColumnKind::Text];

    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.push(Cell::text(self));
    }

    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
        cells.next()?.into_text().map(Cow::into_owned)
    }
}

impl Column for Timestamp {
    const KINDS: &'static [ColumnKind] = &[ColumnKind::Integer];

    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.push(Cell::Integer(self.0));
    }

    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
        cells.next()?.integer().map(Self)
    }
}

impl Column for RunId {
    const KINDS: &'static [ColumnKind] = &[ColumnKind::Text];

    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.push(Cell::text(self.as_str()));
    }

    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
        cells.next()?.into_text()?.parse().map_err(ColumnError::new)
    }
}

impl Column for ContentId {
    const KINDS: &'static [ColumnKind] = &[ColumnKind::Text];

    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.push(Cell::Text(Cow::Owned(self.to_string())));
    }

    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
        cells.next()?.into_text()?.parse().map_err(ColumnError::new)
    }
}

/// An integer or a name. An integer too large for a database is stored as a negative one.
impl Column for ExampleId {
    const KINDS: &'static [ColumnKind] = &[ColumnKind::IntegerOrText];

    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.push(match self {
            Self::Seed(seed) => Cell::Integer(*seed as i64),
            Self::Name(name) => Cell::text(name),
        });
    }

    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
        match cells.next()? {
            Cell::Integer(seed) => Ok(Self::Seed(seed as u64)),
            Cell::Text(name) => Ok(Self::from(&*name)),
            _ => Err(ColumnError::new("neither an integer nor a name")),
        }
    }
}

/// The tag's name in exports, which differs from the one in the journal.
impl Column for SnapshotTag {
    const KINDS: &'static [ColumnKind] = &[ColumnKind::Text];

    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.push(Cell::text(self.as_str()));
    }

    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
        let stored = cells.next()?.into_text()?;
        let mut tags = [Self::Seed, Self::Improvement, Self::Best, Self::Final].into_iter();
        let tag = tags.find(|tag| tag.as_str() == stored);
        tag.ok_or_else(|| ColumnError::new("no such tag"))
    }
}

/// Iteration and index.
impl Column for TrialKey {
    const KINDS: &'static [ColumnKind] = &[ColumnKind::Integer; 2];

    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        self.iteration.write(cells);
        self.index.write(cells);
    }

    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
        Ok(Self {
            iteration: Column::read(cells)?,
            index: Column::read(cells)?,
        })
    }
}

/// Kind and message.
impl Column for ReflectionFailure {
    const KINDS: &'static [ColumnKind] = &[ColumnKind::Text; 2];

    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        self.kind.write(cells);
        self.message.write(cells);
    }

    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
        Ok(Self {
            kind: Column::read(cells)?,
            message: Option::read(cells)?.unwrap_or_default(),
        })
    }
}

/// Calls, prompt, completion, cached and unknown tokens, micro-dollars, unpriced calls.
impl Column for Usage {
    const KINDS: &'static [ColumnKind] = &[ColumnKind::Integer; 7];

    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend(usage_cells(*self));
    }

    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
        Ok(Self {
            calls: Column::read(cells)?,
            prompt_tokens: Column::read(cells)?,
            completion_tokens: Column::read(cells)?,
            cached_tokens: Column::read(cells)?,
            unknown_tokens: Column::read(cells)?,
            cost: Column::read(cells)?,
            unpriced_calls: Column::read(cells)?,
        })
    }
}
