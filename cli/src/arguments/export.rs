//! The arguments of `gepa export`.

use clap::{Args, ValueEnum};

use super::store::RunReference;

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    pub(crate) run: RunReference,
    /// The rows to write
    #[arg(long, value_name = "WHAT")]
    pub(crate) what: ExportKind,
    /// The format; in CSV, lists and objects are written as JSON
    #[arg(long, value_name = "FORM", default_value = "jsonl")]
    pub(crate) format: ExportForm,
    /// The order of candidates; `score` means best first and rejected last
    #[arg(long, value_name = "KEY", default_value = "iteration")]
    pub(crate) sort: ExportOrder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportKind {
    /// One row per trial
    Trials,
    /// One row per executed rollout
    Rollouts,
    /// One row per candidate tried, with its texts
    Candidates,
    /// One row per call of the reflection model, with what it was sent and its reply
    Reflections,
    /// One row per example of the pareto set and of validation, one column per accepted candidate
    Matrix,
    /// Every snapshot, complete
    Snapshots,
    /// The journal
    Events,
    /// Slots in use and limits on model calls, in up to 120 steps of the time of work
    Slots,
    /// Every counter and score, in one object
    Stats,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportForm {
    Jsonl,
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportOrder {
    Iteration,
    Score,
}
