//! The documents of shared limits in a key-value bucket of the queue.

use std::sync::Arc;

use async_nats::jetstream::kv::{self, Store, UpdateErrorKind};
use async_nats::jetstream::stream::StorageType;
use async_trait::async_trait;
use gepa_limiter::shares::{SharedDocument, SharedDocuments, Version};

use crate::settings::without_password;
use crate::{Address, Queue, QueueError};

/// The bucket with one document for each key of a provider.
const BUCKET: &str = "gepa-limits";

/// The documents of shared limits, in the bucket `gepa-limits`.
#[derive(Debug)]
pub struct LimitBucket {
    store: Store,
    url: String,
}

/// One document.
struct Entry {
    store: Store,
    name: String,
    url: String,
}

impl LimitBucket {
    /// Connects to the queue at `address`, and makes the bucket if it is missing.
    ///
    /// # Errors
    /// As [`Queue::connect`], or the bucket cannot be made.
    pub async fn open(address: &Address) -> Result<Self, QueueError> {
        let queue = Queue::connect(address).await?;
        let config = kv::Config {
            bucket: BUCKET.to_owned(),
            history: 1,
            storage: StorageType::File,
            ..kv::Config::default()
        };
        let found = queue.context.get_key_value(BUCKET).await;
        let store = if let Ok(store) = found {
            Ok(store)
        } else {
            queue.context.create_key_value(config).await
        };
        let url = without_password(&address.url);
        let store = store.map_err(|error| QueueError::Setup {
            url: url.clone(),
            what: format!("bucket {BUCKET}"),
            reason: error.to_string(),
        })?;
        Ok(Self { store, url })
    }
}

impl SharedDocuments for LimitBucket {
    fn document(&self, name: &str) -> Arc<dyn SharedDocument> {
        Arc::new(Entry {
            store: self.store.clone(),
            name: name.to_owned(),
            url: self.url.clone(),
        })
    }

    fn place(&self) -> &str {
        &self.url
    }
}

#[async_trait]
impl SharedDocument for Entry {
    async fn read(&self) -> Result<Option<Version>, String> {
        let entry = self.store.entry(self.name.clone()).await;
        let entry = entry.map_err(|error| format!("{}: {error}", self.url))?;
        Ok(entry.map(|entry| Version {
            revision: entry.revision,
            at_millis: (entry.created.unix_timestamp_nanos() / 1_000_000) as u64,
            content: if entry.operation == kv::Operation::Put {
                entry.value.to_vec()
            } else {
                // A person deleted it.
                b"{}".to_vec()
            },
        }))
    }

    async fn replace(&self, revision: u64, content: Vec<u8>) -> Result<Option<u64>, String> {
        match self
            .store
            .update(&self.name, content.into(), revision)
            .await
        {
            Ok(written) => Ok(Some(written)),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(None),
            Err(error) => Err(format!("{}: {error}", self.url)),
        }
    }
}
