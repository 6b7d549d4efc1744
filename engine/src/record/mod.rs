//! The rows that describe a run. Each is a function of the journal.
//!
//! A [`Projector`] says what an event changes. [`Tables`] makes the changes in memory, and a
//! database makes them in SQL. The columns of a row are listed once ([`Stored`]).

mod candidate_order;
mod column;
mod endings;
pub mod export;
mod fields;
mod project;
mod reflections_with_texts;
mod rows;
mod scores_seen;
mod statistics;
mod stored_columns;
mod tables;
mod tokens;
mod trials_that_ran;

pub use candidate_order::CandidateOrder;
pub use column::{Cell, CellReader, Column, ColumnError, ColumnKind, Stored, usage_cells};
pub use endings::Endings;
pub use project::{Change, Misfit, Projector};
pub use reflections_with_texts::reflections_with_texts;
pub use rows::{
    ActRow, CANDIDATE_EXPORT, CandidateRow, CandidateStatus, GateRow, REFLECTION_EXPORT,
    ROLLOUT_EXPORT, ReflectionRow, Rest, RolloutRow, RunRow, RunStatus, RunSummary, SnapshotRow,
    TRIAL_EXPORT, TrialRow, components, messages,
};
pub use scores_seen::ScoresSeen;
pub use statistics::statistics;
pub use stored_columns::{StoredColumn, lacking_columns, stored_columns};
pub use tables::{CandidateTable, ScoreHistory, Tables, TrialTable};
pub use tokens::token_estimate;
pub use trials_that_ran::trials_that_ran;
