//! Why a task app cannot be used.

use gepa_models::AddressError;

/// A task app that cannot be used, or not yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaskAppError {
    /// The address cannot be used: correct `evaluator.url`.
    #[error("the address of the task app cannot be used: `url` {0}")]
    BadUrl(AddressError),
    /// A setting is out of range: change it to what is expected.
    #[error("`{setting}`: {expected}")]
    Setting {
        /// The key.
        setting: &'static str,
        /// What it should be.
        expected: String,
    },
    /// The key contains characters that no HTTP header can carry: set it anew.
    #[error("the key in {variable} contains characters that cannot be sent: set it anew")]
    BadKey {
        /// The variable that holds it.
        variable: String,
    },
    /// The HTTP client cannot be built, usually for want of root certificates.
    #[error("cannot set up HTTPS: {0}; check that the system's root certificates are installed")]
    HttpClient(String),
    /// The app refuses the key: set the variable to the key the app was started with.
    #[error(
        "the task app at {url} refuses the key in {variable}: set it to the key the app was \
         started with"
    )]
    Unauthorised {
        /// The app's address.
        url: String,
        /// The variable that holds the key.
        variable: String,
    },
    /// The app wants a key and there is none: set the variable.
    #[error("the task app at {url} wants a key: set {variable} to the one it was started with")]
    MissingKey {
        /// The app's address.
        url: String,
        /// The variable to set.
        variable: String,
    },
    /// The app itself was started without a key: start it anew with one.
    #[error(
        "the task app at {url} was started without a key: start it with ENVIRONMENT_API_KEY set"
    )]
    AppHasNoKey {
        /// The app's address.
        url: String,
    },
    /// The app does not have this split: name one it has.
    #[error("the task app has no split `{split}`; it has: {known}")]
    UnknownSplit {
        /// The split as configured.
        split: String,
        /// The splits the app names.
        known: String,
    },
    /// Something listens there that is no task app: correct the address.
    #[error("{url} is not a task app: {path} answers {status}; check `url`")]
    NotATaskApp {
        /// The app's address.
        url: String,
        /// The path that was requested.
        path: &'static str,
        /// The status it answered.
        status: u16,
    },
    /// No program listens at the address, or none yet: start the app.
    #[error("the task app at {url} cannot be reached: {reason}; start it or correct `url`")]
    Unreachable {
        /// The app's address.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// The app answers but is not well: look at its log, or wait.
    #[error("the task app at {url} is not ready: {path} answers {status}")]
    NotReady {
        /// The app's address.
        url: String,
        /// The path that was requested.
        path: &'static str,
        /// The status it answered.
        status: u16,
    },
}

impl TaskAppError {
    /// Whether the app may work later without anybody changing the config.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::NotReady { .. })
    }
}
