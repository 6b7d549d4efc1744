//! The documents of shared limits in a key-value bucket of the queue.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::kv::{self, Store, UpdateErrorKind};
use async_nats::jetstream::stream::StorageType;
use async_nats::{Client, Subscriber};
use async_trait::async_trait;
use futures::StreamExt;
use gepa_limiter::shares::{Question, Questions, SharedDocument, SharedDocuments, Version};
use tokio::time::timeout;

use crate::settings::without_password;
use crate::{Address, Queue, QueueError};

/// The bucket with one document for each key of a provider.
const BUCKET: &str = "gepa-limits";

/// How long an answer of the holder that takes the turns of all is waited for.
const PATIENCE: Duration = Duration::from_millis(1_200);

/// The documents of shared limits, in the bucket `gepa-limits`.
#[derive(Debug)]
pub struct LimitBucket {
    store: Store,
    client: Client,
    url: String,
}

/// One document.
struct Entry {
    store: Store,
    client: Client,
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
        let client = queue.client.clone();
        Ok(Self { store, client, url })
    }
}

impl SharedDocuments for LimitBucket {
    fn document(&self, name: &str) -> Arc<dyn SharedDocument> {
        Arc::new(Entry {
            store: self.store.clone(),
            client: self.client.clone(),
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

    async fn ask(&self, holder: &str, question: Vec<u8>) -> Option<Vec<u8>> {
        let asked = self.client.request(self.subject(holder), question.into());
        let answer = timeout(PATIENCE, asked).await.ok()?.ok()?;
        Some(answer.payload.to_vec())
    }

    async fn listen(&self, holder: &str) -> Result<Option<Box<dyn Questions>>, String> {
        let questions = self.client.subscribe(self.subject(holder)).await;
        let questions = questions.map_err(|error| format!("{}: {error}", self.url))?;
        // The server knows of it before anybody asks.
        let known = self.client.flush().await;
        known.map_err(|error| format!("{}: {error}", self.url))?;
        Ok(Some(Box::new(Asked {
            client: self.client.clone(),
            questions,
        })))
    }
}

impl Entry {
    fn subject(&self, holder: &str) -> String {
        format!("gepa.limits.{}.{holder}", self.name)
    }
}

/// The questions to one holder.
struct Asked {
    client: Client,
    questions: Subscriber,
}

#[async_trait]
impl Questions for Asked {
    async fn next(&mut self) -> Option<Question> {
        loop {
            let message = self.questions.next().await?;
            if let Some(reply) = message.reply {
                return Some(Question {
                    id: reply.to_string(),
                    content: message.payload.to_vec(),
                });
            }
        }
    }

    async fn answer(&self, question: &str, answer: Vec<u8>) {
        // After a lost answer the question comes again.
        let _ = self
            .client
            .publish(question.to_owned(), answer.into())
            .await;
    }
}
