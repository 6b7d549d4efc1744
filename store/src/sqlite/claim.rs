//! Locks on runs, held by their claims. They are locks on files beside the database, which the
//! system releases when the process ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use gepa_engine::{RunId, StoreError, Timestamp};

use super::place::Place;

/// A check whether a run is claimed locks its file for a moment. A claim therefore tries several
/// times.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(10);

/// The largest number of bytes read from a lock file.
const NOTE_LIMIT: u64 = 256;

/// Locks a run for `owner`. The lock keeps other processes from claiming the run. If a deleted file
/// or a network drive has broken the lock, the number of the claim in the database keeps the old
/// writer out.
pub(super) fn lock(place: &Place, run: &RunId, owner: &str) -> Result<Lock, StoreError> {
    let path = lock_path(place, run);
    let explain = |error| place.explain_io(&path, &error);
    for _ in 0..ATTEMPTS {
        fs::create_dir_all(place.locks()).map_err(explain)?;
        let file = open(&path).map_err(explain)?;
        match file.try_lock() {
            Ok(()) if is_at(&file, &path) => {
                return hold(file, path.clone(), owner).map_err(explain);
            }
            // Its holder removed the file meanwhile, so the lock is on a file that no other process
            // can open.
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

/// Whether any process holds the claim.
pub(super) fn is_claimed(place: &Place, run: &RunId) -> Result<bool, StoreError> {
    let path = lock_path(place, run);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(place.explain_io(&path, &error)),
    };
    // A shared lock, so that two processes that check at the same time do not block each other.
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(place.explain_io(&path, &error)),
    }
}

/// Who holds the claim, by the note in its lock file.
pub(super) fn holder_of(place: &Place, run: &RunId) -> String {
    holder(&lock_path(place, run))
}

/// The description of a claim of this process.
pub(super) fn owner() -> String {
    format!("process {}, since {}", std::process::id(), Timestamp::now())
}

/// A lock in force.
pub(super) struct Lock {
    path: PathBuf,
    /// Unlocked when closed, which is after the file is removed.
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Leaves the file of another owner in place. If our own file cannot be removed, it is
        // unlocked and does no harm.
        if is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn hold(mut file: File, path: PathBuf, owner: &str) -> io::Result<Lock> {
    file.set_len(0)?;
    file.write_all(owner.as_bytes())?;
    Ok(Lock { path, file })
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

/// On other systems an open file cannot be replaced.
#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}
