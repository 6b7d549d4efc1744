//! Work that was handed over, and who waits for its answers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gepa_evaluation::CallLimit;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::connection::Placed;
use crate::presence::{Heard, Presence, SAID_EVERY};
use crate::settings::DeskSettings;
use crate::wire::{Answer, Body, Request};
use crate::{Offer, Queue, QueueError, telemetry, wire};

const TRY_AGAIN_AFTER: Duration = Duration::from_millis(300);

/// Workers that are there have said so by then.
const ANSWERING: Duration = Duration::from_millis(500);

/// Answers to earlier processes of a run that are kept until the run wants them.
const MOST_KEPT: usize = 100_000;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: Arc<Queue>,
    pub(crate) offer: Offer,
    pub(crate) token: String,
    /// Names this process among those that work on a run one after the other.
    pub(crate) session: String,
    pub(crate) settings: DeskSettings,
    pub(crate) workers: Heard,
    pub(crate) waiting: Mutex<Waiting>,
    /// The runs whose answers are read.
    pub(crate) read: tokio::sync::Mutex<Vec<String>>,
    pub(crate) withdrawals: mpsc::UnboundedSender<Withdrawn>,
    pub(crate) messages: AtomicU64,
    pub(crate) opened: Instant,
    pub(crate) tasks: Mutex<Vec<AbortHandle>>,
}

#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) by_key: HashMap<String, Waiter>,
    /// Answers to earlier processes of the run.
    pub(crate) kept: HashMap<String, Body>,
    /// Since when there is work and no worker for it.
    pub(crate) without_worker: Option<Instant>,
    pub(crate) trouble: Option<String>,
    pub(crate) stay: Arc<Stay>,
}

#[derive(Debug)]
pub(crate) struct Waiter {
    answers: mpsc::UnboundedSender<(String, Body)>,
}

/// Has no permits: closing it ends the waits that hold on to it.
#[derive(Debug)]
pub(crate) struct Stay(pub(crate) Semaphore);

impl Default for Stay {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

/// Work that is no longer wanted.
#[derive(Debug)]
pub(crate) struct Withdrawn {
    pub(crate) subject: String,
    pub(crate) sequence: Option<u64>,
}

/// Why work has no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// No worker can do it, and it is not waited for any longer.
    NoWorker(String),
    /// It cannot be handed over.
    Impossible(String),
}

/// Work that waits for answers. Withdraws it when it is dropped before they are there.
pub(crate) struct Asked<'d> {
    pub(crate) shared: &'d Shared,
    pub(crate) open: BTreeMap<String, usize>,
    pub(crate) placed: Option<Withdrawn>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut waiting = self.shared.waiting.lock();
        for key in self.open.keys() {
            waiting.by_key.remove(key);
        }
        drop(waiting);
        if let (false, Some(placed)) = (self.open.is_empty(), self.placed.take()) {
            // The receiver is gone when the desk closes; the answer is then unused.
            let _ = self.shared.withdrawals.send(placed);
        }
    }
}

impl Shared {
    /// Ends a task together with the desk.
    pub(crate) fn own(&self, task: AbortHandle) {
        self.tasks.lock().push(task);
    }

    /// Gives an answer to who waits for it. The first one counts.
    pub(crate) fn take_in(&self, answer: Answer) {
        let Answer {
            session, key, body, ..
        } = answer;
        let mut waiting = self.waiting.lock();
        match waiting.by_key.remove(&key) {
            Some(waiter) => {
                let _ = waiter.answers.send((key, body));
            }
            None if session != self.session && body.is_final() => {
                if waiting.kept.len() < MOST_KEPT {
                    waiting.kept.insert(key, body);
                }
            }
            None => telemetry::late(),
        }
    }

    /// Begins to wait for these keys, and gives the answers that are there.
    pub(crate) fn wait_for<'d>(
        &'d self,
        keys: &[String],
        answers: &mpsc::UnboundedSender<(String, Body)>,
        give: &mut impl FnMut(usize, Body),
    ) -> Asked<'d> {
        let mut found = Vec::new();
        let mut open = BTreeMap::new();
        let mut waiting = self.waiting.lock();
        for (place, key) in keys.iter().enumerate() {
            if let Some(body) = waiting.kept.remove(key) {
                found.push((place, body));
                continue;
            }
            let answers = answers.clone();
            waiting.by_key.insert(key.clone(), Waiter { answers });
            open.insert(key.clone(), place);
        }
        drop(waiting);
        for (place, body) in found {
            give(place, body);
        }
        Asked {
            shared: self,
            open,
            placed: None,
        }
    }

    /// Stores work, however long the queue is away.
    pub(crate) async fn place(
        &self,
        subject: String,
        request: &Request,
        stay: &Stay,
    ) -> Result<Placed, Unanswered> {
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{number}", self.session);
        let content =
            wire::write(request).map_err(|error| Unanswered::Impossible(error.to_string()))?;
        loop {
            let placing = async {
                let packed = self.queue.pack(&id, content.clone()).await?;
                let (headers, payload) = (packed.headers, packed.payload);
                self.queue
                    .store(subject.clone(), &id, headers, payload)
                    .await
            };
            match placing.await {
                Ok(placed) => {
                    self.waiting.lock().trouble = None;
                    return Ok(placed);
                }
                Err(error @ QueueError::TooLarge { .. }) => {
                    return Err(Unanswered::Impossible(error.to_string()));
                }
                Err(error) => self.waiting.lock().trouble = Some(error.to_string()),
            }
            self.pause(stay).await?;
        }
    }

    pub(crate) async fn pause(&self, stay: &Stay) -> Result<(), Unanswered> {
        tokio::select! {
            () = sleep(TRY_AGAIN_AFTER) => Ok(()),
            reason = self.hopeless(stay) => Err(Unanswered::NoWorker(reason)),
        }
    }

    /// Waits until there is no sense in waiting: the caller leaves while no worker does the work, or that
    /// has lasted too long.
    pub(crate) async fn hopeless(&self, stay: &Stay) -> String {
        loop {
            // Without permits it answers only when it is closed.
            let left = tokio::time::timeout(SAID_EVERY, stay.0.acquire())
                .await
                .is_ok();
            let Some(obstacle) = self.obstacle() else {
                if left {
                    sleep(SAID_EVERY).await;
                }
                continue;
            };
            let since = self.waiting.lock().without_worker;
            let lasted = since.map_or(Duration::ZERO, |since| since.elapsed());
            if left {
                return format!("the run left while it waited for {obstacle}");
            }
            if lasted >= self.settings.longest_outage {
                let seconds = lasted.as_secs();
                return format!("the run has waited {seconds} s for {obstacle}; resume it then");
            }
        }
    }

    pub(crate) fn obstacle(&self) -> Option<String> {
        let mut waiting = self.waiting.lock();
        let obstacle = self.obstacle_now(&waiting);
        match (&obstacle, waiting.without_worker) {
            (Some(_), None) => waiting.without_worker = Some(Instant::now()),
            (None, Some(_)) => waiting.without_worker = None,
            _ => {}
        }
        obstacle
    }

    fn obstacle_now(&self, waiting: &Waiting) -> Option<String> {
        let url = self.queue.url();
        if let Some(lost) = self.queue.lost_for() {
            let seconds = lost.as_secs();
            return Some(format!(
                "the queue at {url}, which has not answered for {seconds} s"
            ));
        }
        if let Some(trouble) = &waiting.trouble {
            return Some(format!("the queue at {url} ({trouble})"));
        }
        if waiting.by_key.is_empty() {
            return None;
        }
        let (fitting, others) = self.workers.sorted(&self.offer);
        if fitting > 0 || self.opened.elapsed() < ANSWERING {
            return None;
        }
        let offer = &self.offer;
        let others = match others.first() {
            Some(first) => format!(
                ". {} of that name cannot be used; what differs: {first}",
                others.len()
            ),
            None => String::new(),
        };
        Some(format!(
            "a worker that offers {offer}; start one with `gepa worker --evaluator CONFIG --queue {url}`{others}"
        ))
    }

    pub(crate) fn presence(&self) -> Presence {
        Presence {
            id: self.session.clone(),
            offer: self.offer.clone(),
            count: self.waiting.lock().by_key.len(),
            again_in: self.workers.pace().as_millis() as u64,
            call_limits: Vec::new(),
        }
    }

    /// The limits on the model calls of the workers that fit.
    pub(crate) fn call_limits(&self) -> Vec<CallLimit> {
        self.workers.call_limits(&self.offer)
    }
}
