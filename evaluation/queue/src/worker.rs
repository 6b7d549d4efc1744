//! A worker: takes work of one offer from a queue and answers it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::consumer::{Consumer, pull};
use futures::StreamExt;
use gepa_evaluation::{Evaluator, Proposer};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::execution::Execution;
use crate::names::new_id;
use crate::presence::{Heard, SAID_EVERY};
use crate::serving::{Serving, WorkerSettings};
use crate::{Offer, Queue, QueueError, names};

const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How long one request for work stays at the server.
const STANDS: Duration = Duration::from_secs(20);

/// What a worker shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// It goes on.
    No,
    /// It takes no more work, and ends what it has.
    WhenDone,
    /// It drops what it has; another worker gets it.
    AtOnce,
}

/// What a worker has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Rollouts that it answered.
    pub rollouts: u64,
}

/// Takes work of one offer and answers it with an evaluator of its own.
pub struct Worker {
    serving: Serving,
    notices: Box<dyn Fn(String) + Send + Sync>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = formatter.debug_struct("Worker");
        out.field("offer", &self.serving.offer)
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker that offers `evaluator` as `offer`.
    pub fn new(queue: Arc<Queue>, offer: Offer, evaluator: Arc<dyn Evaluator>) -> Self {
        Self {
            serving: Serving {
                queue,
                offer,
                evaluator,
                proposer: None,
                settings: WorkerSettings::default(),
                id: new_id(),
                engines: Heard::default(),
                in_hand: Mutex::default(),
                rollouts: AtomicU64::new(0),
            },
            notices: Box::new(|notice| tracing::info!("{notice}")),
        }
    }

    /// Makes reflections as well.
    #[must_use]
    pub fn with_proposer(mut self, proposer: Arc<dyn Proposer>) -> Self {
        self.serving.proposer = Some(proposer);
        self
    }

    /// Uses other settings.
    #[must_use]
    pub fn with_settings(mut self, settings: WorkerSettings) -> Self {
        self.serving.settings = settings;
        self
    }

    /// Hands texts for people to `notices` instead of the log.
    #[must_use]
    pub fn with_notices(mut self, notices: impl Fn(String) + Send + Sync + 'static) -> Self {
        self.notices = Box::new(notices);
        self
    }

    /// Serves until `stop` says so, or until its sender is dropped. A queue that is away meanwhile is
    /// waited for.
    ///
    /// # Errors
    /// The consumer of the offer cannot be made.
    pub async fn serve(self, stop: watch::Receiver<Stop>) -> Result<Served, QueueError> {
        let serving = Arc::new(self.serving);
        let token = serving.offer.token();
        let consumer = serving
            .queue
            .work_consumer(&token, serving.settings.lost_after)
            .await?;
        let client = &serving.queue.client;
        let lost = |error: async_nats::SubscribeError| QueueError::Passing(error.to_string());
        let withdrawn = client
            .subscribe(names::withdrawn(&token))
            .await
            .map_err(lost)?;
        let wanted = client
            .subscribe(names::wanted(&serving.offer.name))
            .await
            .map_err(lost)?;
        let mut beside = JoinSet::new();
        beside.spawn(take_back(Arc::clone(&serving), withdrawn));
        beside.spawn(hear(Arc::clone(&serving), wanted, self.notices));
        beside.spawn(say(Arc::clone(&serving), token));
        let mut slots = JoinSet::new();
        for _ in 0..serving.settings.slots.get() {
            slots.spawn(slot(Arc::clone(&serving), consumer.clone(), stop.clone()));
        }
        let mut stopping = stop;
        let at_once = async {
            // A sender that is gone can say nothing more: the work in hand is ended.
            if stopping
                .wait_for(|stop| *stop == Stop::AtOnce)
                .await
                .is_err()
            {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = async { while slots.join_next().await.is_some() {} } => {}
            () = at_once => {
                slots.shutdown().await;
                serving.give_back();
            }
        }
        // Acknowledgements are on their way.
        let _ = tokio::time::timeout(Duration::from_secs(2), serving.queue.client.flush()).await;
        Ok(Served {
            rollouts: serving.rollouts.load(Ordering::Relaxed),
        })
    }
}

/// One slot: takes a piece of work, executes it, takes the next.
async fn slot(
    serving: Arc<Serving>,
    consumer: Consumer<pull::Config>,
    mut stop: watch::Receiver<Stop>,
) {
    let mut consumer = consumer;
    loop {
        let next = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop != Stop::No) => return,
            next = take(&serving.queue, &consumer) => next,
        };
        match next {
            Ok(Some(message)) => {
                let execution = Execution {
                    serving: Arc::clone(&serving),
                    message,
                };
                let answered = execution.carry_out().await;
                serving
                    .rollouts
                    .fetch_add(answered as u64, Ordering::Relaxed);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::debug!("work: {error}");
                sleep(TRY_AGAIN_AFTER).await;
                // The consumer is gone when the server lost its folder.
                let settings = serving.settings;
                let again = serving
                    .queue
                    .work_consumer(&serving.offer.token(), settings.lost_after)
                    .await;
                if let Ok(again) = again {
                    consumer = again;
                }
            }
        }
    }
}

/// Waits for work. `None` if there was none for a while, or if the connection was lost, and the request with it.
async fn take(
    queue: &Queue,
    consumer: &Consumer<pull::Config>,
) -> Result<Option<async_nats::jetstream::Message>, String> {
    let came_back = queue.came_back.notified();
    // Without heartbeats: the client library does not wake up again after one, so the work that came next would
    // count as lost.
    let asked = consumer.batch().max_messages(1).expires(STANDS);
    let mut batch = asked.messages().await.map_err(|error| error.to_string())?;
    let next = tokio::select! {
        next = batch.next() => next,
        () = came_back => None,
    };
    match next {
        Some(Ok(message)) => Ok(Some(message)),
        Some(Err(error)) => Err(error.to_string()),
        None => Ok(None),
    }
}

async fn take_back(serving: Arc<Serving>, mut withdrawn: async_nats::Subscriber) {
    while let Some(message) = withdrawn.next().await {
        let subject = String::from_utf8_lossy(&message.payload);
        if let Some(work) = serving.in_hand.lock().get(&*subject) {
            work.notify_one();
        }
    }
}

/// Tells people about runs that want the same evaluator with other data or another version.
async fn hear(
    serving: Arc<Serving>,
    mut wanted: async_nats::Subscriber,
    notices: Box<dyn Fn(String) + Send + Sync>,
) {
    let mut told = Vec::new();
    while let Some(message) = wanted.next().await {
        let Some((engine, is_new)) = serving.engines.hear(&message.payload) else {
            continue;
        };
        if is_new {
            // So that the run knows at once which workers there are.
            serving.say().await;
        }
        let differences = serving.offer.differences(&engine.offer);
        if differences.is_empty() || told.contains(&engine.id) {
            continue;
        }
        notices(format!(
            "a run wants {}, and this worker offers {}; what differs: {differences}. It gets none of that run's rollouts",
            engine.offer, serving.offer
        ));
        told.push(engine.id);
    }
}

async fn say(serving: Arc<Serving>, token: String) {
    let mut again = Instant::now();
    loop {
        if again <= Instant::now() {
            again = serving.say().await;
        }
        if serving.queue.lost_for().is_none() {
            serving.queue.depth(&token).await;
        }
        sleep(SAID_EVERY).await;
    }
}
