//! What a run has shown: whether its best candidate is better than the seed, and if nothing was
//! learned, why.
//!
//! One function decides, and the same words go to the terminal, to JSON, to the gate and to pages.

mod cause;
mod decide;
mod evidence;
mod gate;
mod planned;
mod statement;
mod tables;
mod words;

pub use cause::Cause;
pub use decide::with_verdict;
pub use evidence::{CONFIDENCE, Evidence, Selection, compare, evidence};
pub use gate::{GateOutcome, GateReport, GateRules, NamedReport, SliceReport};
pub use planned::{Planned, PlannedDifference, planned};
pub use statement::{Verdict, VerdictKind, WithExcluded};
pub use tables::{ComparedSet, CountedScores, FeedbackSeen, RunTables, read_tables, tables_of};
