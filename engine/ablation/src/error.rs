//! Why a prompt cannot be scored or ablated.

use gepa_engine::{InvalidConfig, RunError, RunId, StoreError};

/// Why a prompt cannot be scored or ablated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AblationError {
    /// No part can be removed.
    #[error("the prompt has one line and one sentence, so nothing can be taken out of it")]
    OnePart,
    /// A setting is out of its range.
    #[error("{0}")]
    Settings(String),
    /// The run's scores rest on other data or programs.
    #[error(
        "the data or the programs of run {0} have changed since, so new scores cannot be compared with its own; \
         restore them, or begin a run with the new ones"
    )]
    OtherTask(RunId),
    /// The budget does not suffice for one line and the check of the shorter prompt.
    #[error(
        "a budget of {given} rollouts is too small: one line on {examples} examples and the check as a whole need {least}"
    )]
    BudgetTooSmall {
        /// The budget.
        given: u64,
        /// The examples of the first block.
        examples: usize,
        /// The least budget that suffices.
        least: u64,
    },
    /// The evaluator failed.
    #[error("`{label}` could not be scored: {reason} (`gepa show {run}`)")]
    Unscored {
        /// The prompt.
        label: String,
        /// Why its run ended.
        reason: String,
        /// Its run.
        run: RunId,
    },
    /// The provider or the task app is down.
    #[error("`{label}` could not be scored: {reason}")]
    Interrupted {
        /// The prompt.
        label: String,
        /// Why its run ended.
        reason: String,
    },
    /// It was ended from outside. What was paid for is stored.
    #[error("it was cancelled; the outcomes so far are stored, and another ablation knows them")]
    Cancelled,
    /// The examples and the prompt make no run.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The findings could not be written as JSON.
    #[error("the findings could not be written: {0}")]
    Json(#[from] serde_json::Error),
}
