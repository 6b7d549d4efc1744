//! The documents of limits that the processes of one machine share, as files of a folder.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use gepa_limiter::shares::{SharedDocument, SharedDocuments, Version};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A folder with one file for each key of a provider. Changes are made under a lock of the system, which ends with
/// the process that holds it.
#[derive(Debug)]
pub(super) struct LimitFolder {
    folder: PathBuf,
    shown: String,
}

struct Document {
    file: PathBuf,
    lock: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    revision: u64,
    at_millis: u64,
    content: Value,
}

impl LimitFolder {
    pub(super) fn new(folder: PathBuf) -> Self {
        let shown = folder.display().to_string();
        Self { folder, shown }
    }
}

impl SharedDocuments for LimitFolder {
    fn document(&self, name: &str) -> Arc<dyn SharedDocument> {
        Arc::new(Document {
            file: self.folder.join(format!("{name}.json")),
            lock: self.folder.join(format!("{name}.lock")),
        })
    }

    fn place(&self) -> &str {
        &self.shown
    }
}

#[async_trait]
impl SharedDocument for Document {
    async fn read(&self) -> Result<Option<Version>, String> {
        let file = self.file.clone();
        blocking(move || {
            let stored = read(&file)?;
            Ok(stored.map(|stored| Version {
                revision: stored.revision,
                at_millis: stored.at_millis,
                content: stored.content.to_string().into_bytes(),
            }))
        })
        .await
    }

    async fn replace(&self, revision: u64, content: Vec<u8>) -> Result<Option<u64>, String> {
        let (file, lock) = (self.file.clone(), self.lock.clone());
        blocking(move || {
            if let Some(folder) = lock.parent() {
                fs::create_dir_all(folder).map_err(|error| told(folder, &error))?;
            }
            let lock_file = File::create(&lock).map_err(|error| told(&lock, &error))?;
            // The lock ends when the file is closed.
            lock_file.lock().map_err(|error| told(&lock, &error))?;
            let newest = read(&file)?.map_or(0, |stored| stored.revision);
            if newest != revision {
                return Ok(None);
            }
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
            let stored = Stored {
                revision: newest + 1,
                at_millis: now.as_millis() as u64,
                content: serde_json::from_slice(&content).map_err(|error| error.to_string())?,
            };
            write(&file, &stored).map_err(|error| told(&file, &error))?;
            Ok(Some(stored.revision))
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(error.to_string()))
}

fn read(file: &Path) -> Result<Option<Stored>, String> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(told(file, &error)),
    };
    let stored = serde_json::from_slice(&text).map_err(|error| {
        format!(
            "{}: {error}; what the key has spent today is not known: delete the file to count from nothing",
            file.display()
        )
    })?;
    Ok(Some(stored))
}

/// A process that is killed leaves the version before or this one.
fn write(file: &Path, stored: &Stored) -> Result<(), std::io::Error> {
    let next = file.with_extension("next");
    let mut written = File::create(&next)?;
    written.write_all(&serde_json::to_vec(stored)?)?;
    written.sync_data()?;
    fs::rename(&next, file)
}

fn told(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_many_changes_to_one_version_one_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let document = || LimitFolder::new(folder.path().join("limits")).document("key");
        assert!(document().read().await.unwrap().is_none());
        for revision in 0..5 {
            let changes = (0..4).map(|holder| {
                let document = document();
                tokio::spawn(async move {
                    let content = format!("{{\"holder\":{holder}}}");
                    document.replace(revision, content.into_bytes()).await
                })
            });
            let changes: Vec<_> = changes.collect();
            let mut made = 0;
            for change in changes {
                made += usize::from(change.await.unwrap().unwrap().is_some());
            }
            assert_eq!(made, 1);
            let version = document().read().await.unwrap().unwrap();
            assert_eq!(version.revision, revision + 1);
        }
    }

    #[tokio::test]
    async fn a_file_that_is_damaged_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key.json"), "{").unwrap();
        let document = LimitFolder::new(folder.path().to_owned()).document("key");
        let error = document.read().await.unwrap_err();
        assert!(
            error.contains("key.json") && error.contains("delete"),
            "{error}"
        );
    }
}
