//! The path of a database, and the meaning of its errors for the user.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gepa_engine::StoreError;
use rusqlite::ErrorCode;

/// The file of a database; every error names it.
#[derive(Clone, Debug)]
pub(super) struct Place(Arc<Path>);

impl Place {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path.into())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The directory of lock files.
    pub(super) fn locks(&self) -> PathBuf {
        self.beside(".locks")
    }

    /// A path that begins with the name of the database.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.0.as_os_str().to_owned();
        path.push(suffix);
        path.into()
    }

    /// The meaning of an error of SQLite, and what the user can do about it.
    pub(super) fn explain(&self, error: &rusqlite::Error) -> StoreError {
        let advice = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => {
                "its file is damaged; put a backup in its place, or see what `sqlite3 FILE .recover` \
                 gets out of it"
            }
            Some(ErrorCode::NotADatabase) => "it is not a database; name another store",
            Some(ErrorCode::DiskFull) => "the disk is full; free some space and resume the run",
            Some(ErrorCode::ReadOnly) => "it cannot be written; make it and its folder writable",
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                "it cannot be opened; make sure that it and its folder can be read and written"
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "another process has kept it locked; end that process and try again"
            }
            Some(ErrorCode::SystemIoFailure) => "the disk failed; check it and resume the run",
            _ => "this is unexpected",
        };
        StoreError::Storage(format!("{self}: {advice} ({error})"))
    }

    /// The meaning of a failed operation on a file beside the database.
    pub(super) fn explain_io(&self, path: &Path, error: &std::io::Error) -> StoreError {
        StoreError::Storage(format!(
            "{self}: `{}` cannot be used; make sure that it can be read and written ({error})",
            path.display()
        ))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "store `{}`", self.0.display())
    }
}
