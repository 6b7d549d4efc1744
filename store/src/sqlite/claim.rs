//! Claims on runs: locks on files beside the database, which the system releases with the process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use gepa_engine::{Claim, RunId, StoreError, Timestamp};

use super::place::Place;

/// A look at a claim holds a lock for a moment; whoever wants the claim waits it out.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(10);

/// Bytes of a lock file that are read.
const NOTE_LIMIT: u64 = 256;

/// Makes the caller the run's only writer.
pub(super) fn claim(place: &Place, run: &RunId) -> Result<Claim, StoreError> {
    let path = lock_path(place, run);
    let explain = |error| place.explain_io(&path, &error);
    for _ in 0..ATTEMPTS {
        fs::create_dir_all(place.locks()).map_err(explain)?;
        let file = open(&path).map_err(explain)?;
        match file.try_lock() {
            Ok(()) if is_at(&file, &path) => return hold(file, path.clone()).map_err(explain),
            // Its holder removed it meanwhile: the lock is on a file nobody else can find.
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            Err(TryLockError::Error(error)) => return Err(explain(error)),
        }
    }
    Err(StoreError::Claimed {
        run: run.clone(),
        holder: holder(&path),
    })
}

/// Whether some process holds the claim.
pub(super) fn is_claimed(place: &Place, run: &RunId) -> Result<bool, StoreError> {
    let path = lock_path(place, run);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(place.explain_io(&path, &error)),
    };
    // Shared, so that two who look do not see each other.
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(place.explain_io(&path, &error)),
    }
}

/// A lock in force.
struct Held {
    path: PathBuf,
    /// Unlocked when closed, which is after the file is removed.
    _file: File,
}

impl Drop for Held {
    fn drop(&mut self) {
        // A file that stays behind is unlocked, and harmless.
        let _ = fs::remove_file(&self.path);
    }
}

fn hold(mut file: File, path: PathBuf) -> io::Result<Claim> {
    file.set_len(0)?;
    let note = format!("process {}, since {}", std::process::id(), Timestamp::now());
    file.write_all(note.as_bytes())?;
    Ok(Claim::new(Held { path, _file: file }))
}

fn holder(path: &Path) -> String {
    let mut note = String::new();
    let read = File::open(path).and_then(|file| file.take(NOTE_LIMIT).read_to_string(&mut note));
    match read {
        Ok(bytes) if bytes > 0 => note,
        _ => "another process".to_owned(),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

fn lock_path(place: &Place, run: &RunId) -> PathBuf {
    place.locks().join(format!("{run}.lock"))
}

/// Whether the path still leads to the open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(found)) => open.ino() == found.ino() && open.dev() == found.dev(),
        _ => false,
    }
}

/// Elsewhere an open file cannot be replaced.
#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}
