//! The errors of commands, and their exit codes.

use std::io;
use std::process::ExitCode;

use gepa_ablation::AblationError;
use gepa_configs::ConfigError;
use gepa_engine::{RunError, StoreError};
use gepa_models::EnvironmentError;

/// Wrong usage or configuration.
pub(crate) const EXIT_USAGE: u8 = 2;
/// The budget cannot afford one proposal.
pub(crate) const EXIT_BUDGET: u8 = 4;
/// Too many evaluator failures, or no usable reply of the reflection model.
pub(crate) const EXIT_FAILURES: u8 = 5;
/// A provider is down.
pub(crate) const EXIT_PROVIDER_DOWN: u8 = 6;
/// A gate was not passed.
pub(crate) const EXIT_GATE: u8 = 7;
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
    #[error("error: {0}")]
    Start(#[from] gepa_server::StartError),
    #[error("error: cannot write the output: {0}; check that the disk is not full")]
    Output(#[from] io::Error),
    #[error("error: cannot start: {0}; the system refuses threads or files; raise its limits")]
    Runtime(io::Error),
    /// A running run could not continue.
    #[error("error: {error}\nresume with: {resume}")]
    Stopped {
        error: RunError,
        /// The command that resumes it.
        resume: String,
    },
    /// The arguments do not match the store's content.
    #[error("error: {0}")]
    Usage(String),
    /// The backend's answer is not that of a job backend.
    #[error("error: {0}")]
    Backend(String),
    /// The backend does not answer, or is overloaded.
    #[error("error: {0}; check its address and try again")]
    Unreachable(String),
    /// A signal ended scoring.
    #[error("interrupted: the outcomes so far are stored, and the same command goes on from them")]
    Interrupted,
    /// The requested thing does not exist, or not yet.
    #[error("error: {0}")]
    Missing(String),
}

impl From<AblationError> for CommandError {
    fn from(error: AblationError) -> Self {
        match error {
            AblationError::Run(error) => Self::Run(error),
            AblationError::Store(error) => Self::Store(error),
            AblationError::Interrupted { .. } => Self::Unreachable(error.to_string()),
            AblationError::Cancelled => Self::Interrupted,
            AblationError::Config(error) => Self::Usage(error.to_string()),
            AblationError::Settings(_)
            | AblationError::OtherTask(_)
            | AblationError::BudgetTooSmall { .. } => Self::Usage(error.to_string()),
            error => Self::Missing(error.to_string()),
        }
    }
}

impl CommandError {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_)
            | Self::Environment(_)
            | Self::Usage(_)
            | Self::Store(StoreError::UnknownRun(_))
            | Self::Run(
                RunError::Store(StoreError::UnknownRun(_))
                | RunError::Diverged { .. }
                | RunError::LimitBelowSpent { .. }
                | RunError::Over(_)
                | RunError::StillOver(_)
                | RunError::OtherTask { .. }
                | RunError::NoSuchIteration { .. }
                | RunError::CannotStartFrom { .. },
            ) => ExitCode::from(EXIT_USAGE),
            Self::Run(RunError::BudgetTooSmall { .. }) => ExitCode::from(EXIT_BUDGET),
            Self::Unreachable(_) => ExitCode::from(EXIT_PROVIDER_DOWN),
            Self::Interrupted => ExitCode::from(EXIT_INTERRUPTED),
            _ => ExitCode::FAILURE,
        }
    }

    /// Whether the call may succeed later.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }

    /// Whether the reader of the output has closed it.
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
