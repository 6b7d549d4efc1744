//! Why a process cannot start.

/// Why a process cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// A setting makes no sense.
    #[error("process: {0}")]
    BadSettings(String),
    /// The program cannot be started at all.
    #[error("cannot start `{program}`: {source}; check `command`")]
    CannotSpawn {
        /// The program.
        program: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The program started, but did not say that it is ready.
    #[error("`{program}` did not become ready: {reason}")]
    NotReady {
        /// The program.
        program: String,
        /// What happened instead, with the end of its stderr.
        reason: String,
    },
}
