//! The log file of a run: what its programs write on stderr, and warnings. It stands in the folder
//! `logs` beside the store and is bounded.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use gepa_engine::RunId;
use tracing_subscriber::fmt::MakeWriter;

/// Largest log file of a run, in bytes, over all processes that worked on it.
const LARGEST_FILE: u64 = 8 * 1024 * 1024;
/// Most bytes kept until the run has its id.
const LARGEST_BEGINNING: usize = 256 * 1024;
/// The last line of a file that is full.
const FULL: &str = "the log is full at 8 MiB; what follows is left out\n";

static LOG: OnceLock<Mutex<RunLog>> = OnceLock::new();

/// Takes log lines from the beginning of the process on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunLogWriter;

#[derive(Debug)]
enum RunLog {
    /// The run has no id yet.
    Beginning(Vec<u8>),
    Open {
        file: File,
        left: u64,
    },
    /// The file is full, or cannot be written.
    Closed,
}

/// Begins to keep lines.
pub(crate) fn begin() {
    LOG.get_or_init(|| Mutex::new(RunLog::Beginning(Vec::new())));
}

/// Names the run whose lines these are, once it is known. Returns the file, or nothing if no log was
/// wanted. The error says why there is none.
pub(crate) fn open(store_url: &str, run: &RunId) -> Result<Option<PathBuf>, String> {
    let Some(log) = LOG.get() else {
        return Ok(None);
    };
    let Some(store) = store_url.strip_prefix("sqlite://") else {
        return Err(format!(
            "no log is kept: it stands beside the store, and `{}` is no file; name a store of the form \
             sqlite://PATH",
            gepa_store::without_password(store_url)
        ));
    };
    let path = path_of(store, run);
    let folder = path.parent().unwrap_or(Path::new(""));
    let opened = std::fs::create_dir_all(folder)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(&path))
        .and_then(|file| Ok((file.metadata()?.len(), file)));
    let (length, file) = opened.map_err(|error| {
        format!(
            "no log is kept: the file `{}` cannot be written ({error}); make its folder writable",
            path.display()
        )
    })?;
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let left = LARGEST_FILE.saturating_sub(length);
    let before = std::mem::replace(&mut *log, RunLog::Open { file, left });
    if let RunLog::Beginning(lines) = before {
        log.take_in(&lines);
    }
    Ok(Some(path))
}

/// Removes the log of a run that was deleted, and returns how many bytes it had.
pub(crate) fn remove(store_url: &str, run: &RunId) -> u64 {
    let Some(store) = store_url.strip_prefix("sqlite://") else {
        return 0;
    };
    let length = size(store_url, run);
    match std::fs::remove_file(path_of(store, run)) {
        Ok(()) => length,
        Err(_) => 0,
    }
}

/// The bytes of the log of a run; 0 if it has none.
pub(crate) fn size(store_url: &str, run: &RunId) -> u64 {
    let store = store_url.strip_prefix("sqlite://");
    let file = store.and_then(|store| std::fs::metadata(path_of(store, run)).ok());
    file.map_or(0, |file| file.len())
}

/// The log of a run of a store in a file.
fn path_of(store: &str, run: &RunId) -> PathBuf {
    let folder = Path::new(store).parent().unwrap_or(Path::new(""));
    folder.join("logs").join(format!("{run}.log"))
}

impl RunLog {
    fn take_in(&mut self, line: &[u8]) {
        match self {
            Self::Beginning(kept) => {
                let room = LARGEST_BEGINNING.saturating_sub(kept.len());
                kept.extend(&line[..line.len().min(room)]);
            }
            Self::Open { file, left } => {
                let fits = line.len() as u64 <= *left;
                *left = left.saturating_sub(line.len() as u64);
                let written = file.write_all(if fits { line } else { FULL.as_bytes() });
                if !fits || written.is_err() {
                    *self = Self::Closed;
                }
            }
            Self::Closed => {}
        }
    }
}

impl Write for RunLogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(log) = LOG.get() {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.take_in(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for RunLogWriter {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_ends_where_it_is_full_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let file = File::create(&path).unwrap();
        let mut log = RunLog::Open { file, left: 10 };
        for line in ["12345\n", "12345\n", "123\n"] {
            log.take_in(line.as_bytes());
        }
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            format!("12345\n{FULL}")
        );
        assert!(matches!(log, RunLog::Closed));
    }

    #[test]
    fn lines_before_the_run_has_its_id_are_bounded() {
        let mut log = RunLog::Beginning(Vec::new());
        for _ in 0..10 {
            log.take_in("x".repeat(LARGEST_BEGINNING / 4).as_bytes());
        }
        assert!(matches!(log, RunLog::Beginning(kept) if kept.len() == LARGEST_BEGINNING));
    }
}
