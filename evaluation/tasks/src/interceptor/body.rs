//! Reading a request's body within limits of size, time and memory.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Largest body that is read.
pub(super) const LARGEST_BODY: usize = 8 * 1024 * 1024;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);

/// Memory for bodies of all calls together, in kibibytes.
const MEMORY_KIB: usize = 256 * 1024;

/// The memory that bodies share; a call waits until there is room for its own.
#[derive(Clone, Debug)]
pub(super) struct BodyMemory(Arc<Semaphore>);

/// A body, and the memory it holds.
#[derive(Debug)]
pub(super) struct ReadBody {
    pub(super) bytes: Vec<u8>,
    pub(super) memory: OwnedSemaphorePermit,
}

/// A body that was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    TooLarge,
    TooSlow,
    Broken,
}

impl BodyMemory {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MEMORY_KIB)))
    }

    /// Reads a body whole.
    pub(super) async fn read(&self, body: Incoming) -> Result<ReadBody, Unread> {
        let hint = body.size_hint().upper();
        let most = hint.map_or(LARGEST_BODY, |bytes| {
            usize::try_from(bytes).unwrap_or(usize::MAX)
        });
        if most > LARGEST_BODY {
            return Err(Unread::TooLarge);
        }
        let kib = u32::try_from(most.div_ceil(1024).max(1)).map_err(|_| Unread::TooLarge)?;
        let reading = async {
            let memory = Arc::clone(&self.0).acquire_many_owned(kib).await;
            let mut memory = memory.map_err(|_| Unread::Broken)?;
            match Limited::new(body, LARGEST_BODY).collect().await {
                Ok(collected) => {
                    let bytes = collected.to_bytes().to_vec();
                    // A body without a length reserved the memory of the largest; return the rest.
                    let needed = bytes.len().div_ceil(1024).max(1);
                    drop(memory.split((kib as usize).saturating_sub(needed)));
                    Ok(ReadBody { bytes, memory })
                }
                Err(error) if error.is::<LengthLimitError>() => Err(Unread::TooLarge),
                Err(_) => Err(Unread::Broken),
            }
        };
        timeout(BODY_TIME, reading)
            .await
            .unwrap_or(Err(Unread::TooSlow))
    }
}
