//! Why an operation of the database failed, and what follows from it.

use gepa_engine::StoreError;
use tokio_postgres::error::SqlState;

use crate::address::{Address, Causes};

/// A failure of one try.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection is gone, or the server asks to try again. It is unknown what was done.
    Gone(String),
    /// A row that a statement has to find is not there, or a row that it adds exists already.
    Refused(String),
    /// The operation failed.
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The states with which a server ends transactions that may be tried again: a shut-down, a restart,
/// a lock that was held for long, a deadlock.
const PASSING: [SqlState; 10] = [
    SqlState::ADMIN_SHUTDOWN,
    SqlState::CRASH_SHUTDOWN,
    SqlState::CANNOT_CONNECT_NOW,
    SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    SqlState::LOCK_NOT_AVAILABLE,
    SqlState::T_R_DEADLOCK_DETECTED,
    SqlState::T_R_SERIALIZATION_FAILURE,
    SqlState::TOO_MANY_CONNECTIONS,
    SqlState::READ_ONLY_SQL_TRANSACTION,
    SqlState::PROTOCOL_VIOLATION,
];

impl Failure {
    /// What an error of a statement means.
    pub(crate) fn of(address: &Address, error: &tokio_postgres::Error) -> Self {
        let causes = Causes(error).to_string();
        let Some(state) = error.code() else {
            let is_lost = error.is_closed() || has_io_cause(error);
            return if is_lost {
                Self::Gone(causes)
            } else {
                Self::Store(StoreError::Storage(format!("{address}: {causes}")))
            };
        };
        if PASSING.contains(state) || state.code().starts_with("08") {
            return Self::Gone(causes);
        }
        // A statement that has to find a row divides by the number of rows it found.
        if *state == SqlState::DIVISION_BY_ZERO || state.code().starts_with("23") {
            return Self::Refused(causes);
        }
        Self::Store(StoreError::Storage(format!(
            "{address}: {causes}{}",
            advice(state)
        )))
    }

    /// The error for the user, where nothing is tried again.
    pub(crate) fn into_error(self, address: &Address) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Gone(detail) => StoreError::Storage(format!(
                "{address}: the connection failed: {detail}; see whether the server runs"
            )),
            Self::Refused(detail) => StoreError::Storage(format!("{address}: {detail}")),
        }
    }
}

fn has_io_cause(error: &tokio_postgres::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<std::io::Error>() {
            return true;
        }
        cause = error.source();
    }
    false
}

fn advice(state: &SqlState) -> &'static str {
    match *state {
        SqlState::DISK_FULL => "; free space on the server, then resume",
        SqlState::INSUFFICIENT_PRIVILEGE => {
            "; give the user the right to create a schema, or create it for that user"
        }
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "; check the user and the password in the URL or in PGPASSWORD"
        }
        SqlState::INVALID_CATALOG_NAME => "; create the database first (createdb)",
        SqlState::DUPLICATE_PSTATEMENT | SqlState::INVALID_SQL_STATEMENT_NAME => {
            "; a pooler in transaction mode needs `prepare=false` in the URL"
        }
        _ => "",
    }
}
