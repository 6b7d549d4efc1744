//! A place of shared limits in memory, for tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use super::{Question, Questions, SharedDocument, Version};

/// A document in memory, with a server's troubles.
pub(crate) struct Place {
    pub(crate) begun: Instant,
    version: Mutex<Option<Version>>,
    chance: AtomicU64,
    longest_delay: u64,
    /// Changes in a hundred that are made and not confirmed, and that are not made.
    faults: u64,
    /// Who listens; `None` for a place without messages.
    listeners: Option<Mutex<BTreeMap<String, Listener>>>,
    /// Changes that were made, and those that came second.
    pub(crate) changes: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    /// What the server's clock is ahead by.
    pub(crate) ahead: AtomicI64,
}

impl Place {
    pub(crate) fn new(seed: u64, longest_delay: u64, faults: u64) -> Arc<Self> {
        Arc::new(Self::with_messages(seed, longest_delay, faults, true))
    }

    pub(crate) fn with_messages(
        seed: u64,
        longest_delay: u64,
        faults: u64,
        messages: bool,
    ) -> Self {
        Self {
            begun: Instant::now(),
            version: Mutex::default(),
            chance: AtomicU64::new(seed),
            longest_delay,
            faults,
            listeners: messages.then(Mutex::default),
            changes: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
            ahead: AtomicI64::new(1_000_000),
        }
    }

    fn below(&self, limit: u64) -> u64 {
        let next = self.chance.load(Ordering::Relaxed);
        let next = next
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.chance.store(next, Ordering::Relaxed);
        if limit == 0 { 0 } else { (next >> 33) % limit }
    }

    pub(crate) async fn delay(&self) {
        sleep(Duration::from_millis(self.below(self.longest_delay + 1))).await;
    }

    pub(crate) fn millis(&self) -> u64 {
        let passed = self.begun.elapsed().as_millis() as i64;
        (passed + self.ahead.load(Ordering::Relaxed)) as u64
    }
}

#[async_trait]
impl SharedDocument for Place {
    async fn read(&self) -> Result<Option<Version>, String> {
        self.delay().await;
        let version = self.version.lock().clone();
        self.delay().await;
        Ok(version)
    }

    async fn replace(&self, revision: u64, content: Vec<u8>) -> Result<Option<u64>, String> {
        self.delay().await;
        let fault = self.below(100);
        if fault < self.faults {
            return Err("not made".to_owned());
        }
        let written = {
            let mut version = self.version.lock();
            let newest = version.as_ref().map_or(0, |version| version.revision);
            if newest == revision {
                *version = Some(Version {
                    revision: newest + 1,
                    at_millis: self.millis(),
                    content,
                });
                self.changes.fetch_add(1, Ordering::Relaxed);
                Some(newest + 1)
            } else {
                self.conflicts.fetch_add(1, Ordering::Relaxed);
                None
            }
        };
        self.delay().await;
        if fault < 2 * self.faults {
            return Err("made, and not confirmed".to_owned());
        }
        Ok(written)
    }

    async fn ask(&self, holder: &str, content: Vec<u8>) -> Option<Vec<u8>> {
        let listener = self.listeners.as_ref()?.lock().get(holder).cloned()?;
        self.delay().await;
        let fault = self.below(100);
        let (answer, answered) = oneshot::channel();
        if fault >= self.faults {
            listener.send((content, answer)).ok()?;
        }
        let answered = tokio::time::timeout(Duration::from_secs(1), answered);
        let answered = answered.await.ok()?.ok()?;
        self.delay().await;
        (fault >= 2 * self.faults).then_some(answered)
    }

    async fn listen(&self, holder: &str) -> Result<Option<Box<dyn Questions>>, String> {
        let Some(listeners) = &self.listeners else {
            return Ok(None);
        };
        let (listener, questions) = mpsc::unbounded_channel();
        listeners.lock().insert(holder.to_owned(), listener);
        Ok(Some(Box::new(Heard {
            questions,
            open: Mutex::default(),
        })))
    }
}

type Listener = mpsc::UnboundedSender<(Vec<u8>, oneshot::Sender<Vec<u8>>)>;

/// The questions to one holder.
struct Heard {
    questions: mpsc::UnboundedReceiver<(Vec<u8>, oneshot::Sender<Vec<u8>>)>,
    open: Mutex<Vec<Option<oneshot::Sender<Vec<u8>>>>>,
}

#[async_trait]
impl Questions for Heard {
    async fn next(&mut self) -> Option<Question> {
        let (content, answer) = self.questions.recv().await?;
        let mut open = self.open.lock();
        open.push(Some(answer));
        Some(Question {
            id: format!("{}", open.len() - 1),
            content,
        })
    }

    async fn answer(&self, question: &str, answer: Vec<u8>) {
        let number: usize = question.parse().unwrap();
        if let Some(open) = self.open.lock()[number].take() {
            // Who asked may have stopped waiting.
            let _ = open.send(answer);
        }
    }
}
