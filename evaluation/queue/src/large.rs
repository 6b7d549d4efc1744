//! Messages that are too large for a stream: their content lies in the object store, under a name that
//! the message carries.

use async_nats::HeaderMap;
use bytes::Bytes;
use tokio::io::AsyncReadExt;

use crate::{Queue, QueueError};

/// The header that holds the name of a message's content.
const CONTENT: &str = "Gepa-Content";
/// Bytes of a message that are not its content.
const AROUND: usize = 8 * 1024;
/// The largest content in bytes.
pub(crate) const LARGEST: usize = 64 * 1024 * 1024;

/// A content on its way.
pub(crate) struct Packed {
    pub(crate) headers: Option<HeaderMap>,
    pub(crate) payload: Bytes,
}

impl Queue {
    /// Prepares a content to be stored with a message; `name` is used for no other content.
    pub(crate) async fn pack(&self, name: &str, content: Vec<u8>) -> Result<Packed, QueueError> {
        if content.len() > LARGEST {
            return Err(QueueError::TooLarge {
                size: content.len(),
                largest: LARGEST,
            });
        }
        if content.len() + AROUND <= self.client.max_payload() {
            return Ok(Packed {
                headers: None,
                payload: content.into(),
            });
        }
        let stored = self.large.put(name, &mut content.as_slice()).await;
        stored.map_err(|error| QueueError::Passing(error.to_string()))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT, name);
        Ok(Packed {
            headers: Some(headers),
            payload: Bytes::new(),
        })
    }

    /// The content of a message.
    pub(crate) async fn unpack(&self, message: &async_nats::Message) -> Result<Bytes, QueueError> {
        let Some(name) = content_name(message) else {
            return Ok(message.payload.clone());
        };
        let object = self.large.get(&name).await;
        let object = object.map_err(|error| QueueError::Passing(error.to_string()))?;
        let mut content = Vec::new();
        let mut bounded = object.take(LARGEST as u64 + 1);
        let read = bounded.read_to_end(&mut content).await;
        read.map_err(|error| QueueError::Passing(error.to_string()))?;
        if content.len() > LARGEST {
            return Err(QueueError::TooLarge {
                size: content.len(),
                largest: LARGEST,
            });
        }
        Ok(content.into())
    }

    /// Deletes the content of a message that is over. Without this it goes after a few hours.
    pub(crate) async fn discard(&self, name: Option<String>) {
        if let Some(name) = name {
            let _ = self.large.delete(&name).await;
        }
    }
}

/// The name of a content that lies in the object store.
pub(crate) fn content_name(message: &async_nats::Message) -> Option<String> {
    let headers = message.headers.as_ref()?;
    Some(headers.get(CONTENT)?.as_str().to_owned())
}
