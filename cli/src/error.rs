//! Why a command failed, and the exit code that says so.

use std::io;
use std::process::ExitCode;

use gepa_configs::ConfigError;
use gepa_engine::{RunError, StoreError};
use gepa_models::EnvironmentError;

/// Wrong usage or configuration.
pub(crate) const EXIT_USAGE: u8 = 2;
/// The budget cannot afford one proposal.
pub(crate) const EXIT_BUDGET: u8 = 4;
/// Too many evaluator failures, or no usable reply of the reflection model at all.
pub(crate) const EXIT_FAILURES: u8 = 5;
/// A provider is down.
pub(crate) const EXIT_PROVIDER_DOWN: u8 = 6;
/// Interrupted.
pub(crate) const EXIT_INTERRUPTED: u8 = 130;

#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("error: {0}; correct the file or remove it")]
    Environment(#[from] EnvironmentError),
    #[error("error: {0}")]
    Run(#[from] RunError),
    #[error("error: {0}")]
    Store(#[from] StoreError),
    #[error("error: cannot write the output: {0}; check that the disk is not full")]
    Output(#[from] io::Error),
    #[error("error: cannot start: {0}; the system refuses threads or files, raise its limits")]
    Runtime(io::Error),
    /// A run under way could not go on.
    #[error("error: {error}\ngo on with: {resume}")]
    Stopped {
        error: RunError,
        /// The command that takes it up again.
        resume: String,
    },
    /// What was typed does not fit the store's content.
    #[error("error: {0}")]
    Usage(String),
    /// The backend answers, but not as one.
    #[error("error: {0}")]
    Backend(String),
    /// The backend does not answer, or is overwhelmed.
    #[error("error: {0}; check its address and try again")]
    Unreachable(String),
    /// What was asked for is not there (yet).
    #[error("error: {0}")]
    Missing(String),
}

impl CommandError {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_)
            | Self::Environment(_)
            | Self::Usage(_)
            | Self::Store(StoreError::UnknownRun(_))
            | Self::Run(RunError::Store(StoreError::UnknownRun(_)) | RunError::Diverged { .. }) => {
                ExitCode::from(EXIT_USAGE)
            }
            Self::Run(RunError::BudgetTooSmall { .. }) => ExitCode::from(EXIT_BUDGET),
            Self::Unreachable(_) => ExitCode::from(EXIT_PROVIDER_DOWN),
            _ => ExitCode::FAILURE,
        }
    }

    /// Whether the same call may succeed later.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }

    /// Whoever read the output has seen enough.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<csv::Error> for CommandError {
    fn from(error: csv::Error) -> Self {
        match error.into_kind() {
            csv::ErrorKind::Io(source) => Self::Output(source),
            other => Self::Output(io::Error::other(format!("{other:?}"))),
        }
    }
}

impl From<serde_json::Error> for CommandError {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}
